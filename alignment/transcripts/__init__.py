"""Timed words, utterances and speakers."""
