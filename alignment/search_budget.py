"""Limits of the searches in the headers, frames and pages of one recording, for all of its files together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from alignment.errors import DecodingAbandonedError

# Eight hours of mp3.
MAX_FRAMES: Final = 1_200_000
# Of hostile or damaged data.
MAX_GAPS: Final = 1_000
MAX_GAP_BYTES: Final = 2**20
# Four hours of Vorbis in pages of 4 KiB have 60,000, which are read twice.
MAX_PAGES: Final = 200_000
# Eight hours of Opus in packets of 20 ms.
MAX_SEGMENTS: Final = 1_500_000


@dataclass(slots=True)
class SearchBudget:
    """What may still be searched in a recording.

    Attributes:
        abandoned: Returns whether the request has ended.
        frames: Number of frames of MPEG audio.
        gaps: Number of gaps between these frames.
        gap_bytes: Bytes that may be searched in them.
        pages: Number of Ogg pages.
        segments: Number of segments of Ogg pages whose packets are read.
    """

    abandoned: Callable[[], bool] = lambda: False
    frames: int = MAX_FRAMES
    gaps: int = MAX_GAPS
    gap_bytes: int = MAX_GAP_BYTES
    pages: int = MAX_PAGES
    segments: int = MAX_SEGMENTS

    def check(self) -> None:
        """Raise DecodingAbandonedError where the request has ended."""
        if self.abandoned():
            raise DecodingAbandonedError()
