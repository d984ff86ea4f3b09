"""Configuration of uvicorn: the protocols with limits, and its own options."""

import math

import uvicorn
from fastapi import FastAPI

from alignment.timing import Seconds
from service.http.connection_limit import ConnectionLimit, bound_connections, count_descriptors
from service.http.http_protocol import BoundedHttp
from service.http.root_path import TrustedProxies
from service.http.turns import handshake_turns, pipelined_turns
from service.http.websocket_protocol import BoundedWebSocket
from service.settings import Settings


def bound_protocols(
    idle_s: Seconds, upload_s: Seconds, limit: ConnectionLimit
) -> tuple[type[BoundedHttp], type[BoundedWebSocket]]:
    """Both protocols with limits, as classes, which uvicorn requires."""
    both = {"idle_s": idle_s, "limit": limit}
    http = {**both, "upload_s": upload_s, "turns": pipelined_turns()}
    live = {**both, "turns": handshake_turns()}
    return type("BoundedHttp", (BoundedHttp,), http), type("BoundedWebSocket", (BoundedWebSocket,), live)


def configure_server(application: FastAPI, settings: Settings) -> uvicorn.Config:
    """Configuration of uvicorn with the limits of the settings."""
    connections = bound_connections(settings.max_connections, settings.scorers)
    limit = ConnectionLimit(connections, count_descriptors())
    http, websocket = bound_protocols(settings.upload_idle_s, settings.upload_s, limit)
    return uvicorn.Config(
        TrustedProxies(application, settings.forwarded_allow_ips),
        settings.host,
        settings.port,
        http=http,
        ws=websocket,
        log_config=None,
        access_log=False,
        # As uvicorn's own option, with the prefix.
        proxy_headers=False,
        ws_max_size=settings.live.max_frame_bytes,
        # Audio hardly shrinks, and a compressed frame may expand.
        ws_per_message_deflate=False,
        # While results lag, no message of a live connection is read, pongs included.
        ws_ping_timeout=settings.deadline_s,
        # Accepted requests have ended by then, if only with 504; uploads in progress are dropped.
        timeout_graceful_shutdown=math.ceil(settings.deadline_s + settings.upload_idle_s),
    )
