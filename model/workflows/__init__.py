"""Workflows of the training commands."""
