"""Weights of aligners: configuration, location on disk, download."""
