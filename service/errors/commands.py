"""Errors of settings and commands."""

from pathlib import Path

from service.errors.base import ServiceError


class SettingsError(ServiceError):
    """The configuration is invalid."""


class ListenError(ServiceError):
    """The address or the port of the service cannot be used."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host, self.port, self.reason = host, port, reason
        super().__init__(
            f"cannot listen on {host!r}, port {port} ({reason}); choose an address of this machine with --host or "
            "CAN_HOST, and a free port with --port or CAN_PORT"
        )


class NoRecordingsError(ServiceError):
    """A source matches no recording."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} holds no recording; name files, folders with recordings, or a pattern like 'clips/*.wav'"
        )


class OutputNameError(ServiceError):
    """A file to write is named among the recordings."""

    def __init__(self, name: str, option: str) -> None:
        super().__init__(f"{name} does not exist: {option} prints the results; redirect them with > {name}")


class ArchiveError(ServiceError):
    """A storage of recordings cannot be listed."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(
            f"{source} cannot be read ({reason}); check the address, the credentials, and that the package "
            "of the storage is installed (s3fs for s3://, gcsfs for gs://, adlfs for az://)"
        )


class ResultsError(ServiceError):
    """A run cannot resume from the results of an earlier one."""

    def __init__(self, out: Path, reason: str) -> None:
        self.out, self.reason = out, reason
        super().__init__(f"cannot resume from {out}: {reason}; choose another --out, or move this file")


class UnwritableError(ServiceError):
    """The results of a run cannot be written, on a full disk for example."""

    def __init__(self, out: Path, reason: str) -> None:
        self.out, self.reason = out, reason
        super().__init__(
            f"cannot write {out} ({reason}); what has been written before is kept: make space, then run again to resume"
        )


class RecordingPathError(ServiceError):
    """An agent names a path that is not a recording in the folders that it may read."""

    def __init__(self, path: str, reason: str, way_out: str) -> None:
        self.path = path
        super().__init__(f"{path[:200]!r} {reason}; {way_out}")


class ClusterError(ServiceError):
    """A Ray cluster does not respond, or its workers cannot start."""

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(
            f"the Ray cluster at {address} failed ({reason}); see `ray status`, or omit --address and RAY_ADDRESS to "
            "use this machine"
        )
