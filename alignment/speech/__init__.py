"""Voice activity detection, windows of long recordings and live endpointing."""
