"""Export of trained networks to bundles."""
