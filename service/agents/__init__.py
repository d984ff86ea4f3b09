"""Tools for agents (Model Context Protocol)."""
