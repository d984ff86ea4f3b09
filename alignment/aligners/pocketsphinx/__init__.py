"""Embedded aligner for US English."""
