"""Raw samples of a recording, block by block, so that a small file that decodes to hours cannot fill the memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment.parts import Part
from alignment.timing import Seconds

BLOCK_SAMPLES: Final = 65_536
SAMPLE_RATE_BOUNDS_HZ: Final = (4_000, 768_000)
_OGG_END_OF_STREAM: Final = 0x04


@dataclass(slots=True)
class SampleBlocks:
    """Format and samples of an opened file.

    Attributes:
        sample_rate_hz: Sample rate in the header.
        channels: Number of channels in the header.
        stated_s: Length in the header, 0 where there is none; used for warnings only.
        blocks: (samples, channels) float32 blocks, full scale 1.
        warnings: Extended while the blocks are read.
        damage: Error that ended the blocks of libsndfile before the end of the file; "" for none.
    """

    sample_rate_hz: int
    channels: int
    stated_s: Seconds
    blocks: Iterator[NDArray[np.float32]] = field(default_factory=lambda: iter(()))
    warnings: list[str] = field(default_factory=list)
    damage: str = ""


def length_warnings(part: Part) -> list[str]:
    """Warn about a wav or ogg file that is truncated (cut downloads) or states no length (pipes)."""
    warnings = list(part.warnings)
    if part.head[:4] == b"OggS":
        last_page = part.data.rfind(b"OggS", part.start, part.end)
        if last_page + 5 < part.end and not part.data[last_page + 5] & _OGG_END_OF_STREAM:
            warnings.append("the ogg file is truncated: it has no last page; all audio in the file was used")
    return warnings
