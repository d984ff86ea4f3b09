"""A server with short limits, and whether it still responds."""

import select
import socket

from service.setting_groups import LiveSettings
from service.settings import Settings
from tests.builders import encode, noise
from tests.service.serving import RunningServer

IDLE_S = 0.6
WAV = encode(noise(1.0))


def impatient_settings(bundle: str) -> Settings:
    """Limits of a fraction of a second, few places and small messages."""
    return Settings(
        bundle=bundle,
        max_audio_s=10,
        upload_idle_s=IDLE_S,
        upload_s=2.0,
        max_uploads=4,
        log_level="error",
        live=LiveSettings(max_frame_bytes=20_000, max_audio_s=2, idle_s=IDLE_S, max_connections=4),
    )


def is_readable(connection: socket.socket, within_s: float) -> bool:
    """Whether the server sends data, or the connection is closed, within so many seconds."""
    try:
        return bool(select.select([connection], [], [], within_s)[0])
    except ValueError:  # closed, also meanwhile by another thread
        return True


def is_responsive(server: RunningServer) -> bool:
    """Whether a recording is analysed."""
    return server.client.post("/predict", files={"file": WAV}).status_code == 200
