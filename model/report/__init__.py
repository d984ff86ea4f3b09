"""Report of a reproduction."""
