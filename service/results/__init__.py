"""Responses: schemas, serialisation, problem documents, plots and terminal output."""
