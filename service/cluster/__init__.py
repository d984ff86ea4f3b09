"""The service as Ray Serve deployments: `serve run service.cluster:app`."""

from alignment.errors import optional_packages

with optional_packages("cluster", "ray"):
    from service.cluster.deployments import app

__all__ = ["app"]
