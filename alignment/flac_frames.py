"""Last frame of a flac file, which shows whether the header states the true number of samples.

A pipe leaves it at 0, and a recorder that is ended at that of an earlier moment; libsndfile stops there.

Source: RFC 9639, 8.2 (STREAMINFO) and 9.1 (frame header).
"""

from collections.abc import Iterator
from typing import Final

from alignment.sample_chunks import Data

# Longer than the longest frame of 8 channels of 24 bits and 4,608 samples, the most of the streamable subset.
_SEARCHED_BYTES: Final = 160_000
_MAX_CANDIDATES: Final = 2_000
_HEADER_BYTES: Final = 16
_STREAMINFO_BYTES: Final = 26
_POLYNOMIAL: Final = 0x107
_VARIABLE: Final = 1
_BLOCK_IN_8_BITS, _BLOCK_IN_16_BITS = 6, 7
_RATE_EXTRA_BYTES: Final = {12: 1, 13: 2, 14: 2}


def is_complete(data: Data, start: int, end: int) -> bool:
    """Whether the last frame of a flac file ends with the number of samples that its header states.

    Args:
        data: The recording.
        start: Offset of the word fLaC.
        end: Offset of the end of the file.
    """
    info = bytes(data[start : start + _STREAMINFO_BYTES])
    if len(info) < _STREAMINFO_BYTES:
        return False
    total = int.from_bytes(info[18:26], "big") & 0xF_FFFF_FFFF
    block = int.from_bytes(info[8:10], "big")
    return total > 0 and next((last == total for last in _frame_ends(data, start, end, block)), False)


def _frame_ends(data: Data, start: int, end: int, block: int) -> Iterator[int]:
    """Number of the sample after each frame, from the last frame on backwards."""
    low, at = max(start + _STREAMINFO_BYTES, end - _SEARCHED_BYTES), end
    for _ in range(_MAX_CANDIDATES):
        at = data.rfind(b"\xff", low, at)
        if at < 0:
            return
        last = _parse_end(bytes(data[at : min(end, at + _HEADER_BYTES)]), block)
        if last is not None:
            yield last


def _parse_end(header: bytes, block: int) -> int | None:
    """Number of the sample after a frame; None where the bytes are no header of a frame."""
    header = header.ljust(_HEADER_BYTES, b"\x00")
    if header[1] & 0xFE != 0xF8 or header[3] & 1:
        return None
    number, at = _decode_number(header, 4)
    block_code, rate_code = header[2] >> 4, header[2] & 15
    size_bytes = {_BLOCK_IN_8_BITS: 1, _BLOCK_IN_16_BITS: 2}.get(block_code, 0)
    crc_at = at + size_bytes + _RATE_EXTRA_BYTES.get(rate_code, 0)
    if number is None or not block_code or _checksum(header[:crc_at]) != header[crc_at]:
        return None
    if size_bytes:
        size = int.from_bytes(header[at : at + size_bytes], "big") + 1
    else:
        size = 192 if block_code == 1 else 576 << block_code - 2 if block_code < _BLOCK_IN_8_BITS else 1 << block_code
    return (number if header[1] & _VARIABLE else number * block) + size


def _decode_number(header: bytes, at: int) -> tuple[int | None, int]:
    """Number in the extended form of UTF-8, and the offset after it."""
    first = header[at]
    if first < 0x80:
        return first, at + 1
    length = 8 - (first ^ 0xFF).bit_length()
    rest = header[at + 1 : at + length]
    if not 2 <= length <= 7 or any(byte & 0xC0 != 0x80 for byte in rest):
        return None, at
    number = first & (0x7F >> length)
    for byte in rest:
        number = number << 6 | byte & 0x3F
    return number, at + length


def _checksum(header: bytes) -> int:
    value = 0
    for byte in header:
        value ^= byte
        for _ in range(8):
            value = value << 1 ^ (_POLYNOMIAL if value & 0x80 else 0)
    return value
