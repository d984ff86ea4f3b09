"""Timestamps of an Ogg file: gaps, which libsndfile leaves out, and an end that is stated too early.

Source: RFC 3533 (pages), RFC 6716, section 3.1 (duration of an Opus packet), Vorbis I specification, section 4.2.2
(block sizes).
"""

from collections.abc import Callable, Iterator
from typing import Final

from alignment.sample_chunks import Data
from alignment.search_budget import SearchBudget

_HEADER_BYTES: Final = 27
_CHECK_PAGES: Final = 256
_GAP_S: Final = 0.1
_OPUS_RATE_HZ: Final = 48_000
_SILK_MS: Final = (10.0, 20.0, 40.0, 60.0)
_HYBRID_MS: Final = (10.0, 20.0)
_CELT_MS: Final = (2.5, 5.0, 10.0, 20.0)


def has_gap(data: Data, start: int, end: int, budget: SearchBudget) -> bool:
    """Whether the timestamps of an Ogg file of Opus or Vorbis leave out more than 0.1 s, or are beyond the budget.

    Args:
        data: The recording.
        start: Offset of the file in it.
        end: Offset of its end.
        budget: Limits of the search.

    Raises:
        DecodingAbandonedError: The request has ended.
    """
    head = bytes(data[start + _HEADER_BYTES : start + _HEADER_BYTES + 64])
    most, at = _longest_packet(head), head.find(b"\x01vorbis")
    rate_hz = _OPUS_RATE_HZ if at < 0 else int.from_bytes(head[at + 12 : at + 16], "little")
    return most is not None and _exceeds(data, start, end, rate_hz, most, budget)


def repair_end(data: Data, start: int, end: int, budget: SearchBudget) -> tuple[tuple[int, bytes], ...]:
    """Corrections of a last page whose timestamp is earlier than that of a page before it: (offset, bytes).

    Decoders end the sound at this timestamp. The corrected one is the latest that the packets of the page can have.

    Args:
        data: The recording.
        start: Offset of the file in it.
        end: Offset of its end.
        budget: Limits of the search.

    Raises:
        DecodingAbandonedError: The request has ended.
    """
    most = _longest_packet(bytes(data[start + _HEADER_BYTES : start + _HEADER_BYTES + 64]))
    if most is None:
        return ()
    serial, latest, last = bytes(data[start + 14 : start + 18]), 0, None
    for at, lacing in _pages(data, start, end, budget):
        if bytes(data[at + 14 : at + 18]) != serial:
            continue
        if last is not None:
            latest = max(latest, _granule(data, last[0]))
        last = at, lacing
    if last is None or budget.pages <= 0 or _granule(data, last[0]) >= latest:
        return ()
    at, lacing = last
    granule = latest + sum(most(packet) for packet in _packet_starts(data, at, lacing))
    page = bytearray(data[at : at + _HEADER_BYTES + len(lacing) + sum(lacing)])
    page[6:14], page[22:26] = granule.to_bytes(8, "little"), bytes(4)
    return (at + 6, bytes(page[6:14])), (at + 22, _checksum(page).to_bytes(4, "little"))


def _granule(data: Data, page: int) -> int:
    return int.from_bytes(data[page + 6 : page + 14], "little", signed=True)


def _checksum(page: bytearray) -> int:
    """CRC of a page, as RFC 3533 defines it."""
    value = 0
    for byte in page:
        value = (value << 8 & 0xFFFF_FFFF) ^ _CRC_TABLE[value >> 24 ^ byte]
    return value


def _make_crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = value << 1 ^ (_POLYNOMIAL if value & 0x8000_0000 else 0)
        table.append(value & 0xFFFF_FFFF)
    return table


_POLYNOMIAL: Final = 0x1_04C1_1DB7
_CRC_TABLE: Final = _make_crc_table()


def _longest_packet(head: bytes) -> Callable[[bytes], int] | None:
    """Longest duration of a packet, from its first bytes; None where the codec is neither Opus nor Vorbis."""
    if b"OpusHead" in head:
        return _opus_samples
    if (at := head.find(b"\x01vorbis")) >= 0 and len(head) >= at + 29:
        longest = 1 << (head[at + 28] >> 4)
        return lambda _: longest // 2
    return None


def _exceeds(
    data: Data, start: int, end: int, rate_hz: int, most: Callable[[bytes], int], budget: SearchBudget
) -> bool:
    """Whether a page advances the time by more than its packets can last, or the budget ends."""
    serial, previous = bytes(data[start + 14 : start + 18]), 0
    for at, lacing in _pages(data, start, end, budget):
        granule = _granule(data, at)
        if bytes(data[at + 14 : at + 18]) != serial or granule <= 0:
            continue
        budget.segments -= len(lacing)
        if budget.segments < 0:
            return True
        lasts = sum(most(packet) for packet in _packet_starts(data, at, lacing))
        if previous and granule - previous - lasts > _GAP_S * rate_hz:
            return True
        previous = granule
    return budget.pages <= 0


def _pages(data: Data, start: int, end: int, budget: SearchBudget) -> Iterator[tuple[int, bytes]]:
    """Offset of each page within the budget, and the lengths of its segments."""
    at = start
    while budget.pages > 0 and at + _HEADER_BYTES <= end and data[at : at + 4] == b"OggS":
        budget.pages -= 1
        if not budget.pages % _CHECK_PAGES:
            budget.check()
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
