"""ASGI middleware, outermost first: request log, authentication, upload limits, admission."""
