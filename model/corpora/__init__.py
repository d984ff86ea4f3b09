"""Corpora on disk: IEMOCAP's format, and an open corpus written in it."""
