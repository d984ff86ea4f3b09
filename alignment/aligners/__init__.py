"""Recognition and forced alignment engines behind the protocol `Aligner`."""
