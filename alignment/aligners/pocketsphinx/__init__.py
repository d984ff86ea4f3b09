"""The embedded aligner."""
