"""`can-ser mcp`: tools for agents."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alignment.errors import CanSerError, optional_packages
from service.cli.console import print_error
from service.errors import ConflictingFieldsError
from service.observability.logs import configure_logs
from service.settings import Settings, load_settings, name_bundles

if TYPE_CHECKING:
    from service.agents.analysis import Analyser


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """Options of the command.

    Attributes:
        folders: Folders whose recordings may be read; empty for the working directory.
        http: Whether to serve HTTP in place of standard input and output.
        port: Port of HTTP.
        url: Address of a running service; None for models in this process.
        key: API key of that service.
        bundles: Names or folders; the first is the default.
        aligner: Name.
    """

    folders: Sequence[Path]
    http: bool
    port: int
    url: str | None
    key: str | None
    bundles: Sequence[str]
    aligner: str | None


def run_agent_server(options: AgentOptions) -> int:
    """Serve until the end of standard input, or a signal; return 2 when the command cannot start."""
    try:
        with optional_packages("mcp", "mcp"):
            import mcp  # noqa: F401
        from service.agents.folders import RecordingFolders
        from service.agents.server import make_server, serve_http, serve_stdio
        from service.agents.tools import Tools

        settings = load_settings({**name_bundles(options.bundles), "aligner": options.aligner})
        folders = RecordingFolders(options.folders)
        tools = Tools(_open_analyser(options, settings), folders)
    except CanSerError as exc:
        print_error(exc)
        return 2
    with closing(tools):
        server = make_server(tools)
        configure_logs(settings.log_level)
        if options.http:
            return 0 if serve_http(server, options.port) else 2
        serve_stdio(server)
    return 0


def _open_analyser(options: AgentOptions, settings: Settings) -> "Analyser":
    """Models in this process, or a client of a service.

    Raises:
        ConflictingFieldsError: Options of models are given with the address of a service.
        MissingPackageError: The package of the client is not installed.
        CanSerError: See `LocalAnalyser`.
    """
    if options.url:
        for name, value in (("--bundle", options.bundles), ("--aligner", options.aligner)):
            if value:
                raise ConflictingFieldsError("--url", name)
        with optional_packages("client", "httpx"):
            from service.agents.remote import RemoteAnalyser
        return RemoteAnalyser(options.url, options.key)
    from service.agents.analysis import LocalAnalyser

    return LocalAnalyser(settings)
