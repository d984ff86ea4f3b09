"""The systems that the paper compares with, under its own set-up."""
