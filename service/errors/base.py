"""Base of the errors of the service."""

from alignment.errors import CanSerError


class ServiceError(CanSerError):
    """Base of the errors of `service`."""
