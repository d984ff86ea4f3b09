"""Where speech is in a recording: voice activity, windows, live endpointing."""
