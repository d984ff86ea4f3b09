"""HTTP and command line around `alignment` and `model`; no maths of its own."""
