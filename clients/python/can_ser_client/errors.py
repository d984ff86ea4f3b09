"""Errors of the client.

ClientError
├── RefusedError             the service responded with a problem
│   └── JobFailedError       a job ended without a result
├── UnreachableError         the service did not respond, or the connection broke
├── UnreadableResponseError  the response is not one that this version of the client can read
└── MissingPackageError      an optional package is not installed

Facts are attributes; the message states what was wrong, the value, and what to do. All can be pickled.
"""


class ClientError(Exception):
    """Base of the errors of the client."""


class RefusedError(ClientError):
    """The service responded with a problem.

    Attributes:
        status: HTTP status.
        code: Code of the problem document, as the service's troubleshooting page lists them; "" from a proxy.
        detail: What was wrong, and what to do.
        request_id: Id of the request in the log of the service.
        retry_after_s: Seconds after which to retry, where the service names them.
    """

    def __init__(
        self, status: int, code: str, detail: str, request_id: str = "", retry_after_s: float | None = None
    ) -> None:
        self.status, self.code, self.detail = status, code, detail
        self.request_id, self.retry_after_s = request_id, retry_after_s
        super().__init__(status, code, detail, request_id, retry_after_s)

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.detail} (request {self.request_id or 'unknown'})"


class JobFailedError(RefusedError):
    """A job ended without a result."""


class UnreachableError(ClientError):
    """The service did not respond, or the connection broke."""

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(url, reason)

    def __str__(self) -> str:
        return f"{self.url} did not respond ({self.reason}); check that the service runs there"


class UnreadableResponseError(ClientError):
    """The response has another form than this version of the client expects."""

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(url, reason)

    def __str__(self) -> str:
        return (
            f"the response of {self.url} cannot be read ({self.reason}); check that a can-ser service runs there, and "
            "that client and service have the same version"
        )


class MissingPackageError(ClientError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, requirement: str) -> None:
        self.package, self.requirement = package, requirement
        super().__init__(package, requirement)

    def __str__(self) -> str:
        return f"{self.package} is not installed; `pip install '{self.requirement}'` installs it"
