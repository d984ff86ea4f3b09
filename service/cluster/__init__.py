"""The service as Ray Serve deployments: `serve run service.cluster:app`."""

from service.cluster.deployments import app

__all__ = ["app"]
