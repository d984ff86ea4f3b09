"""The service as Ray Serve deployments: `serve run service.cluster:app`.

Attributes:
    app: Builder of the application, which accepts settings as arguments.
    application: The application with the settings of the environment, built when it is first used; `serve build`
        accepts only this form.
"""

from functools import cache

from alignment.errors import optional_packages

with optional_packages("cluster", "ray"):
    from ray.serve import Application

    from service.cluster.deployments import app

__all__ = ["app", "application"]


@cache
def _build() -> Application:
    return app({})


def __getattr__(name: str) -> Application:
    if name != "application":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _build()
