"""PocketSphinx for US English: forced alignment, and an aligner that needs no other model."""
