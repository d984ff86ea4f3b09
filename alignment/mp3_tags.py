"""Tags at the start and at the end of an mp3 file, whose bytes are no frames.

Source: ID3v2.4, sections 3.1 and 3.4; ID3v1; APEv2 (header and footer); Lyrics3 v2.
"""

import re
from typing import Final

from alignment.sample_chunks import Data

TAG: Final = re.compile(rb"ID3[\x02-\x04]\x00[\x00\x10\x20\x40\x80\xc0\xe0][\x00-\x7f]{4}")
_FOOTER: Final = re.compile(rb"3DI[\x02-\x04]\x00[\x10-\xf0][\x00-\x7f]{4}")
_LYRICS: Final = re.compile(rb"\d{6}LYRICS200")
_ID3V1_BYTES: Final = 128
_APE_BYTES: Final = 32
_HAS_APE_HEADER: Final = 0x80
# ID3v1, APEv2, Lyrics3 and ID3v2, each of them once.
_MAX_TAGS: Final = 4


def skip_tag(data: Data, start: int) -> int:
    """End of the ID3v2 tag at a place, if there is one."""
    if not TAG.match(data, start):
        return start
    return min(len(data), start + 10 + _unpack(data[start + 6 : start + 10]))


def cut_tags(data: Data, start: int, end: int) -> int:
    """Start of the tags that end at a place; the place itself where there are none.

    Args:
        data: The recording.
        start: Offset of the first frame.
        end: Offset of the end of the file.
    """
    for _ in range(_MAX_TAGS):
        size = _measure_last(data, start, end)
        if not 0 < size <= end - start:
            break
        end -= size
    return end


def _measure_last(data: Data, start: int, end: int) -> int:
    """Length of the tag that ends at a place; 0 for none."""
    if end - start >= _ID3V1_BYTES and data[end - _ID3V1_BYTES : end - _ID3V1_BYTES + 3] == b"TAG":
        return _ID3V1_BYTES
    tail = bytes(data[max(start, end - _APE_BYTES) : end])
    if len(tail) < _APE_BYTES:
        return 0
    if tail.startswith(b"APETAGEX"):
        size = int.from_bytes(tail[12:16], "little")
        return 0 if size < _APE_BYTES else size + (_APE_BYTES if tail[23] & _HAS_APE_HEADER else 0)
    if _LYRICS.match(tail[-15:]):
        return int(tail[-15:-9]) + 15
    return _unpack(tail[-4:]) + 20 if _FOOTER.match(tail[-10:]) else 0


def _unpack(size: bytes) -> int:
    """Number of 28 bits in four bytes of seven."""
    high, upper, lower, low = size
    return (high << 21) + (upper << 14) + (lower << 7) + low
