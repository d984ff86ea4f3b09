"""SubRip (SRT) and WebVTT, written by pysubs2.

Source: https://www.w3.org/TR/webvtt1/ (escapes, voice and class spans).
"""

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Final, Literal

from can_ser_client.fields import SubtitleEmotions
from can_ser_client.schemas import PredictOut
from service.exports.cues import Cue, cut_cues
from service.exports.spans import one_line

# A backslash would begin an override tag or a line break of pysubs2. This code point is reserved for internal use.
_BACKSLASH: Final = "\ufdd0"
_VTT_HEADER: Final = b"WEBVTT\n\n"


def write_srt(response: PredictOut, emotions: SubtitleEmotions = "omit") -> bytes:
    """SubRip in UTF-8; "class" is not available.

    Args:
        response: The response.
        emotions: "prefix" writes the emotion in front of each cue.
    """
    cues = cut_cues(response, label_emotions=emotions == "prefix", label_speakers=True)
    return _write("srt", cues, lambda cue: cue.text.replace("-->", "→"))


def write_vtt(
    response: PredictOut, emotions: SubtitleEmotions = "omit", warnings: Sequence[str] | None = None
) -> bytes:
    """WebVTT in UTF-8, with a voice span for each speaker, and a comment (`NOTE`) for each warning.

    Args:
        response: The response.
        emotions: "prefix" writes the emotion in front of each cue, "class" makes it a class of the cue's text.
        warnings: The warnings; None for those of the response.
    """
    cues = cut_cues(response, label_emotions=emotions == "prefix", label_speakers=False)
    body = _write("vtt", cues, lambda cue: _mark_up(cue, emotions)).removeprefix(_VTT_HEADER)
    return write_empty_vtt(response.warnings if warnings is None else warnings) + body


def write_empty_vtt(warnings: Sequence[str] = ()) -> bytes:
    """WebVTT without cues, with a comment for each warning."""
    notes = (f"NOTE warning: {one_line(warning).replace('-->', '→')}\n\n" for warning in warnings)
    return _VTT_HEADER + "".join(notes).encode()


def _mark_up(cue: Cue, emotions: SubtitleEmotions) -> str:
    utterance = cue.utterance
    text = escape(cue.text, quote=False)
    if emotions == "class":
        doubt = ".uncertain" if utterance.uncertain else ""
        text = f"<c.{_class_name(utterance.emotion)}{doubt}>{text}</c>"
    return f"<v {escape(one_line(utterance.speaker), quote=False)}>{text}" if utterance.speaker else text


def _class_name(emotion: str) -> str:
    """Name that CSS can select."""
    return re.sub(r"[^\w-]+", "-", emotion)


def _write(kind: Literal["srt", "vtt"], cues: Sequence[Cue], render: Callable[[Cue], str]) -> bytes:
    from pysubs2 import SSAEvent, SSAFile

    file = SSAFile()
    for cue in cues:
        text = render(cue).replace("\\", _BACKSLASH).replace("\n", "\\N")
        file.append(SSAEvent(start=cue.start_ms, end=cue.end_ms, text=text))
    return file.to_string(kind, keep_ssa_tags=True).replace(_BACKSLASH, "\\").encode()
