"""Training runs on disk: folds, their results, their summary."""
