"""The command `can-ser`."""
