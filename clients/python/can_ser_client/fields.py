"""Recordings and form fields of a request."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypedDict

Explain = Literal["true", "false", "full", "occlusion"]
Speakers = Literal["channels", "diarize"]
Encoding = Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]
"""Encoding of live speech."""
ExportFormat = Literal["srt", "vtt", "textgrid", "rttm", "words-csv", "utterances-csv", "xlsx"]
SubtitleEmotions = Literal["omit", "prefix", "class"]
Recording = str | Path | bytes
"""Path of a file, or the bytes of one."""
_NO_NAME: Final = "recording"


class CommonFields(TypedDict, total=False):
    """Fields of every request; None counts as omitted.

    Attributes:
        words: (word, start_s, end_s) of the words that are said, None for times that are not known; nothing is
            recognised.
        language: Code (ISO 639), name or locale ("de", "German", "Deutsch", "de-DE"), or "auto"; omitted for the
            default of the service.
        aligner: Name of an aligner; omitted for that of the service.
        bundle: Name of a bundle of the service, or several: the response is that of the first, `others` those of the
            rest; omitted for the default.
        explain: "true" returns words with contributions to the predicted emotion, "full" to every emotion, "false" no
            words; "occlusion" adds to "true" the effect of leaving out each word.
    """

    words: Sequence[tuple[str, float | None, float | None]] | None
    language: str | None
    aligner: str | None
    bundle: str | Sequence[str] | None
    explain: Explain | None


class JobFields(CommonFields, total=False):
    """Fields of a job, in addition to those of every request.

    Attributes:
        callback: Address to which a signed message is sent when the job has ended.
    """

    callback: str | None


class Fields(CommonFields, total=False):
    """Fields of a request, in addition to those of every request.

    Attributes:
        transcript: Words that are said; they are aligned, nothing is recognised.
        segments: (start_s, end_s) of speech segments, in place of voice activity detection.
        speakers: "channels" for one speaker per channel, "diarize" to separate them by voice.
    """

    transcript: str | None
    segments: Sequence[tuple[float, float]] | None
    speakers: Speakers | None


def make_form(fields: Fields | JobFields, accepted: type[Fields | JobFields]) -> dict[str, str]:
    """Fields as text, as forms hold them; the service checks their values.

    Raises:
        TypeError: There is no field of that name.
    """
    names = [name for base in reversed(accepted.__mro__) for name in getattr(base, "__annotations__", {})]
    for name in fields:
        if name not in names:
            raise TypeError(f"there is no field {name!r}; choose {', '.join(names)}")
    return {name: _write(name, value) for name, value in fields.items() if value is not None}


def make_export_parameters(
    name: ExportFormat, subtitle_emotions: SubtitleEmotions, recording: str = ""
) -> dict[str, str]:
    """Query parameters of an export; the service checks their values."""
    parameters: dict[str, str] = {"format": name}
    if subtitle_emotions != "omit":
        parameters["subtitle_emotions"] = subtitle_emotions
    return parameters | ({"name": recording} if recording else {})


def _write(name: str, value: Any) -> str:
    if name == "words":
        return json.dumps([{"word": word, "start": start_s, "end": end_s} for word, start_s, end_s in value])
    if name == "segments":
        return json.dumps([{"start": start_s, "end": end_s} for start_s, end_s in value])
    return value if isinstance(value, str) else ",".join(value)


@contextmanager
def open_recording(recording: Recording) -> Iterator[dict[str, tuple[str, bytes | BinaryIO]]]:
    """The argument `files` of httpx; a file is read while it is sent, and again for each further attempt.

    Raises:
        OSError: The file cannot be read.
    """
    if isinstance(recording, bytes):
        yield {"file": (_NO_NAME, recording)}
        return
    path = Path(recording)
    with path.open("rb") as file:
        yield {"file": (path.name, file)}


@contextmanager
def open_recordings(recordings: Iterable[Recording]) -> Iterator[list[tuple[str, tuple[str, bytes | BinaryIO]]]]:
    """The argument `files` of httpx for several recordings, each as of `open_recording`.

    Raises:
        OSError: A file cannot be read.
    """
    with ExitStack() as opened:
        yield [part for each in recordings for part in opened.enter_context(open_recording(each)).items()]
