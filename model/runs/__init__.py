"""Training runs on disk: files, folds, progress and summary."""
