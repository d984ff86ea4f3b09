"""Gaps between the timestamps of an Ogg file, which libsndfile leaves out.

Source: RFC 3533 (pages), RFC 6716, section 3.1 (duration of an Opus packet), Vorbis I specification, section 4.2.2
(block sizes).
"""

from collections.abc import Callable, Iterator
from typing import Final

from alignment.sample_chunks import Data

_HEADER_BYTES: Final = 27
# Four hours of Vorbis in pages of 4 KiB have 60,000.
_MAX_PAGES: Final = 100_000
_GAP_S: Final = 0.1
_OPUS_RATE_HZ: Final = 48_000
_SILK_MS: Final = (10.0, 20.0, 40.0, 60.0)
_HYBRID_MS: Final = (10.0, 20.0)
_CELT_MS: Final = (2.5, 5.0, 10.0, 20.0)


def has_gap(data: Data, start: int, end: int) -> bool:
    """Whether the timestamps of an Ogg file of Opus or Vorbis leave out more than 0.1 s.

    Args:
        data: The recording.
        start: Offset of the file in it.
        end: Offset of its end.
    """
    head = bytes(data[start + _HEADER_BYTES : start + _HEADER_BYTES + 64])
    if b"OpusHead" in head:
        return _exceeds(data, start, end, _OPUS_RATE_HZ, _opus_samples)
    if (at := head.find(b"\x01vorbis")) >= 0 and len(head) >= at + 29:
        rate_hz, longest = int.from_bytes(head[at + 12 : at + 16], "little"), 1 << (head[at + 28] >> 4)
        return _exceeds(data, start, end, rate_hz, lambda _: longest // 2)
    return False


def _exceeds(data: Data, start: int, end: int, rate_hz: int, most: Callable[[bytes], int]) -> bool:
    """Whether a page advances the time by more than its packets can last."""
    serial, previous = bytes(data[start + 14 : start + 18]), 0
    for at, lacing in _pages(data, start, end):
        granule = int.from_bytes(data[at + 6 : at + 14], "little", signed=True)
        if bytes(data[at + 14 : at + 18]) != serial or granule <= 0:
            continue
        lasts = sum(most(packet) for packet in _packet_starts(data, at, lacing))
        if previous and granule - previous - lasts > _GAP_S * rate_hz:
            return True
        previous = granule
    return False


def _pages(data: Data, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Offset of each page, and the lengths of its segments."""
    at = start
    for _ in range(_MAX_PAGES):
        if at + _HEADER_BYTES > end or data[at : at + 4] != b"OggS":
            return
        lacing = bytes(data[at + _HEADER_BYTES : at + _HEADER_BYTES + data[at + 26]])
        yield at, lacing
        at += _HEADER_BYTES + len(lacing) + sum(lacing)


def _packet_starts(data: Data, page: int, lacing: bytes) -> Iterator[bytes]:
    """First two bytes of each packet of a page; a packet that the previous page begins counts as well."""
    at, begins = page + _HEADER_BYTES + len(lacing), True
    for length in lacing:
        if begins:
            yield bytes(data[at : at + 2])
        at += length
        begins = length < 255


def _opus_samples(packet: bytes) -> int:
    """Duration of an Opus packet at 48 kHz."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    frame_ms = (_SILK_MS * 3 + _HYBRID_MS * 2 + _CELT_MS * 4)[config]
    frames = (packet[1] & 0x3F if len(packet) > 1 else 0) if code == 3 else min(2, code + 1)
    return round(frames * frame_ms * _OPUS_RATE_HZ / 1_000)
