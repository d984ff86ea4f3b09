"""Configuration, look-up and download of aligner weights."""
