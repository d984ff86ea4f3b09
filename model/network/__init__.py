"""The Cross Attention Network, its layers and losses."""
