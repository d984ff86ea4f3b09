"""ASGI middleware, outermost first: request log, origins, authentication, upload limits, admission."""
