"""From a trained network to a bundle."""
