"""Training data: features, word vectors, splits and batches."""
