"""Features in, emotions out: the Cross Attention Network, its training, its export and its runtime."""
