"""One module per engine behind the protocol `Aligner`."""
