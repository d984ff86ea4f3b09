"""Names of models: the served weights, and the names that clients of OpenAI send."""

from collections.abc import Sequence
from typing import Final

from service.errors import UnknownModelError

PREFIX: Final = "/v1"
"""Start of the paths that OpenAI's clients use."""
ALIASES: Final = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize",
)
"""OpenAI's models for transcription; each stands for the first one of the served weights."""


def find_model(name: str, served: Sequence[str]) -> str:
    """Name of the weights that a model name stands for.

    Args:
        name: Name of weights, or one of `ALIASES`; empty for the first one of the served weights.
        served: Names of the served weights; at least one.

    Raises:
        UnknownModelError: There is no such model.
    """
    if name in served:
        return name
    if not name or name in ALIASES:
        return served[0]
    raise UnknownModelError(name[:100], (*served, *ALIASES))


def is_openai_path(path: str) -> bool:
    """Whether a path, without the root path of a proxy, belongs to OpenAI's API."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")
