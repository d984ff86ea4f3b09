"""The service as Ray Serve deployments: `serve run service.cluster:app`.

Attributes:
    app: Builder of the application, which accepts settings as arguments.
    application: The application with the settings of the environment, built when it is first used; `serve build`
        accepts only this form.
"""

from alignment.errors import optional_packages

with optional_packages("cluster", "ray"):
    from service.cluster.deployments import app, build_application

__all__ = ["app", "application"]


def __getattr__(name: str) -> object:
    if name != "application":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return build_application()
