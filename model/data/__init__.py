"""Corpora as arrays, splits, word vectors and batches."""
