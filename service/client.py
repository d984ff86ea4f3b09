"""The client of the service, which is the package `can_ser_client` (clients/python)."""

from can_ser_client.asynchronous import AsyncClient
from can_ser_client.retries import RetryPolicy
from can_ser_client.synchronous import Client

__all__ = ["AsyncClient", "Client", "RetryPolicy"]
