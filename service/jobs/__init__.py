"""Long recordings that are analysed in the background."""
