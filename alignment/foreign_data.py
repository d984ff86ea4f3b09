"""Data that are not audio by themselves, recognised by their first bytes: what they are, and what to send instead."""

import re
from typing import Final

_CHUNK: Final = (
    "a later piece of a browser's recording; only the first piece carries the header: send all pieces of MediaRecorder "
    "joined, from the first one on"
)
_ENCODED: Final = "decode it before sending"
_KINDS: Final = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), text)
    for pattern, text in (
        (rb"\x1f\x43\xb6\x75", f"it is a WebM cluster without the header, {_CHUNK}"),
        # A block of track 1 to 8: its size, the track, a time, and flags.
        (
            rb"\xa3(?:[\x80-\xff]|[\x40-\x7f].|[\x20-\x3f]..)[\x81-\x88]..[\x00\x80]",
            f"it is a WebM block without the header, {_CHUNK}",
        ),
        (rb".{4}(?:moof|styp|mdat)", f"it is a fragment of an MP4 file without the header, {_CHUNK}"),
        (rb"OggS\x00[\x00\x01\x04\x05]", f"it is a page of an Ogg stream without the header, {_CHUNK}"),
        (rb"\x1f\x8b\x08", "it is compressed by gzip; send the file inside, as flac or ogg if it is too large"),
        (
            rb"PK\x03\x04|7z\xbc\xaf|Rar!|\xfd7zXZ|BZh|\x28\xb5\x2f\xfd",
            "it is an archive; send the files inside one by one",
        ),
        (rb"data:[a-z]+/[^,]{1,80};base64,", f"it is a data URL in base64; {_ENCODED}"),
        (rb"(?:UklGR|T2dnU|ZkxhQ|SUQz|GkXfo|//[uv][A-Za-z0-9+/])[A-Za-z0-9+/\r\n]{40}", f"it is base64; {_ENCODED}"),
        (rb"\s*<(?:!doctype|html|\?xml|error)", "it is a page of HTML or XML, such as the error of a download"),
        (rb"\s*[{\[]\s*[\"{\[]", "it is JSON; send the recording itself"),
        (rb"#EXTM3U|ffconcat", "it is a playlist; send the recording itself"),
    )
)


def explain_data(head: bytes) -> str | None:
    """What data are that no decoder reads, and what to send; None where they are not recognised.

    Args:
        head: The first bytes, 512 suffice.
    """
    return next((text for pattern, text in _KINDS if pattern.match(head)), None)
