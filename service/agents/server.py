"""The MCP server: standard input and output, or HTTP on the loopback interface."""

import asyncio
import logging
import os
import signal
from importlib.metadata import version
from typing import Final

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from service.agents.tools import Tools
from service.http.middleware.plain_bodies import PlainBodies

HOST: Final = "127.0.0.1"
PATH: Final = "/mcp"
MAX_SESSIONS: Final = 64
_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
_INSTRUCTIONS: Final = (
    "Speech emotion recognition of recordings on this machine. Call analyse_recording with the path of a recording, "
    "then explain_utterance for the reasons of one utterance. list_recordings lists the recordings that may be read. "
    "Emotions are estimates from words and voice; report uncertain ones as uncertain."
)


def make_server(tools: Tools) -> MCPServer:
    """A server with the tools."""
    server = MCPServer(
        "can-ser",
        title="can-ser: speech emotion recognition",
        instructions=_INSTRUCTIONS,
        version=version("can-ser"),
        log_level="WARNING",
    )
    tools.install(server)
    # Messages of failed calls name paths; the agent has them.
    logging.getLogger("mcp").setLevel(logging.WARNING)
    return server


def serve_stdio(server: MCPServer) -> None:
    """Serve the process that started this one, until it closes standard input; SIGTERM and SIGINT exit at once.

    A thread that waits for input cannot be interrupted, so that an orderly stop would wait for the next message.
    Nothing is lost: the worker processes of an aligner end with this one.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    asyncio.run(server.run_stdio_async())


def serve_http(server: MCPServer, port: int) -> bool:
    """Serve `http://127.0.0.1:PORT/mcp` until SIGINT or SIGTERM; returns whether it could listen.

    Pages of other sites, and names that resolve to this machine (DNS rebinding), are refused by `Origin` and `Host`.
    """
    security = TransportSecuritySettings(
        allowed_hosts=[f"{name}:*" for name in _NAMES], allowed_origins=[f"http://{name}:*" for name in _NAMES]
    )
    app = server.streamable_http_app(
        streamable_http_path=PATH, max_sessions=MAX_SESSIONS, transport_security=security, host=HOST
    )
    # uvicorn raises the signal that stopped it again; dying of it would leak semaphores of the worker processes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    running = uvicorn.Server(uvicorn.Config(PlainBodies(app), host=HOST, port=port, log_config=None, access_log=False))
    try:
        running.run()
    except (KeyboardInterrupt, SystemExit):
        # It exits with status 3 where it cannot listen, and has logged the reason.
        return running.started
    return running.started
