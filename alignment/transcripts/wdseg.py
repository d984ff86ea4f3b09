"""Word segmentations of CMU Sphinx (`.wdseg`), the alignment format of IEMOCAP.

A header `SFrm EFrm SegAScr Word`, rows of four fields, a footer `Total score: N`. Frames are 10 ms and EFrm is
inclusive, so that a row spans samples [160·SFrm, 160·(EFrm + 1)).
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alignment.errors import WdsegError
from alignment.timing import frames_to_seconds, seconds_to_frames
from alignment.transcripts.words import TimedWord

CONTROL_TOKENS: Final = frozenset({"<s>", "<sil>", "</s>"})
_VARIANT: Final = re.compile(r"\(\d+\)$")
_INTEGER: Final = re.compile(r"-?\d+")


def read_wdseg(path: Path) -> tuple[TimedWord, ...]:
    """Read the words of a `.wdseg` file without control tokens, with times relative to the sentence wav.

    Returns:
        Words in lower case without their variant mark (`WHAT(2)` → `what`), with fillers (`++LAUGHTER++`); none when
        the file holds control tokens only.

    Raises:
        WdsegError: The file is not text, holds no row, or a row ends before it starts or before the previous one.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as exc:
        raise WdsegError(path, 1, "not a text file") from exc
    words: list[TimedWord] = []
    previous_end = 0
    rows = 0
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if len(fields) != 4 or not (_INTEGER.fullmatch(fields[0]) and _INTEGER.fullmatch(fields[1])):
            continue
        rows += 1
        start, end = int(fields[0]), int(fields[1]) + 1
        if end <= start or start < previous_end:
            raise WdsegError(
                path, number, f"row spans frames {start} to {end - 1}, after one that ends at {previous_end - 1}"
            )
        previous_end = end
        if fields[3] not in CONTROL_TOKENS:
            word = _VARIANT.sub("", fields[3]).lower()
            words.append(TimedWord(word, frames_to_seconds(start), frames_to_seconds(end), "aligned"))
    if not rows:
        raise WdsegError(path, len(lines), "no row of four fields; is this a .wdseg file?")
    return tuple(words)


def write_wdseg(path: Path, words: Sequence[TimedWord], duration_s: float) -> None:
    """Write words as the corpus's aligner does: upper case, gaps as `<s>`, `<sil>`, `</s>`.

    Args:
        path: File to write.
        words: Words in order, with times relative to the sentence wav.
        duration_s: Length of the sentence wav.
    """
    rows: list[tuple[int, int, str]] = []
    position = 0
    for word in words:
        start, end = seconds_to_frames(word.start_s), seconds_to_frames(word.end_s)
        if start > position:
            rows.append((position, start, "<sil>" if rows else "<s>"))
        rows.append((start, end, word.word.upper()))
        position = end
    total = seconds_to_frames(duration_s)
    if total > position:
        rows.append((position, total, "</s>"))
    body = "".join(f"{start:>6d} {end - 1:>5d} {0:>10d} {token}\n" for start, end, token in rows)
    path.write_text(
        f"\t{'SFrm':>6s} {'EFrm':>5s} {'SegAScr':>10s} Word\n{body}Total score: {0:>11d}\n", encoding="utf-8"
    )
