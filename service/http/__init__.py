"""The HTTP application: routes, middleware, forms, streams."""
