"""Measurements of the figures in the documents; the docstring of each module shows its command."""
