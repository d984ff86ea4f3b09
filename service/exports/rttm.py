"""Rich Transcription Time Marked (RTTM): a line for each utterance, with its speaker.

Source: NIST, The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan, Appendix A.
"""

import re
from pathlib import PurePath
from typing import Final

from can_ser_client.schemas import PredictOut
from service.exports.spans import Span, separate, to_ms

NO_SPEAKER: Final = "speech"
"""Name in place of a speaker where none were requested, as tools for voice activity write it."""
_NO_NAME: Final = "recording"


def write_rttm(response: PredictOut, name: str = "") -> bytes:
    """SPEAKER lines in the order of their start; those of one speaker do not overlap.

    Args:
        response: The response.
        name: Name of the recording; without its suffix, it is the file id of each line.
    """
    total_ms = to_ms(response.audio.duration_s)
    by_speaker: dict[str, list[Span]] = {}
    for each in response.utterances:
        speaker = _field(each.speaker or "") or NO_SPEAKER
        by_speaker.setdefault(speaker, []).append(Span(to_ms(each.start_s), to_ms(each.end_s), speaker))
    turns = [span for own in by_speaker.values() for span in separate(own, total_ms)]
    file_id = _field(PurePath(name).stem) or _NO_NAME
    return "".join(_line(file_id, turn) for turn in sorted(turns, key=lambda turn: turn.start_ms)).encode()


def _line(file_id: str, turn: Span) -> str:
    start_s, duration_s = turn.start_ms / 1_000, (turn.end_ms - turn.start_ms) / 1_000
    return f"SPEAKER {file_id} 1 {start_s:.3f} {duration_s:.3f} <NA> <NA> {turn.text} <NA> <NA>\n"


def _field(text: str) -> str:
    """Text as one field of a line: fields are separated by white space."""
    return re.sub(r"[^\w.+-]+", "_", text).strip("_")
