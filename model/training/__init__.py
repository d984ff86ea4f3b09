"""Training of one fold: recipes, systems, training loop, augmentation and metrics."""
