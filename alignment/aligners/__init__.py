"""Engines that find timed words, behind the protocol `Aligner`."""
