"""Training of one fold: recipe, loop, augmentation, calibration, metrics."""
