"""Embedded aligner for English: Moonshine's words, with times by forced alignment."""
