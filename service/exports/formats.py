"""The export formats: names, media types, suffixes, and the choice of one by name or by an Accept header."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any, Final, get_args

from can_ser_client.fields import ExportFormat, SubtitleEmotions
from can_ser_client.schemas import PredictOut
from service.errors import ConflictingFieldsError, UnknownNameError
from service.exports.rttm import write_rttm
from service.exports.subtitles import write_srt, write_vtt
from service.exports.tables import CsvTable, Table
from service.exports.textgrid import write_textgrid
from service.exports.workbook import Workbook

EXPORT_FIELDS: Final = ("format", "subtitle_emotions")
JSON: Final = "application/json"
_JSON_NAME: Final = "json"
_ALIASES: Final[Mapping[str, ExportFormat]] = {"csv": "words-csv"}
_EMOTIONS: Final[tuple[SubtitleEmotions, ...]] = get_args(SubtitleEmotions)
_MAX_RANGES: Final = 32
_NO_NAME: Final = "recording"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What a response is to be written as.

    Attributes:
        format: Format of the file.
        emotions: How subtitles show emotions.
    """

    format: ExportFormat
    emotions: SubtitleEmotions = "omit"


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """Properties of a format.

    Attributes:
        media_type: Value of Content-Type.
        suffix: End of the name of a file.
        write: Writes a response; the second argument is the name of the recording.
        table: Makes an empty table, for formats that can hold several recordings.
        table_suffix: End of the name of such a file.
    """

    media_type: str
    suffix: str
    write: Callable[[PredictOut, str, ExportRequest], bytes]
    table: Callable[[], Table] | None = None
    table_suffix: str = ""

    @property
    def media_range(self) -> str:
        """The media type without parameters."""
        return self.media_type.partition(";")[0]


def _table(media_type: str, suffix: str, table: Callable[[], Table], table_suffix: str) -> FormatInfo:
    """Format of a table, which holds one response or several."""

    def write(response: PredictOut, name: str, _: ExportRequest) -> bytes:
        written = table()
        written.add(name, response)
        return written.finish()

    return FormatInfo(media_type, suffix, write, table, table_suffix)


_CSV: Final = "text/csv; charset=utf-8; header=present"
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FORMATS: Final[dict[ExportFormat, FormatInfo]] = {
    "srt": FormatInfo(
        "application/x-subrip; charset=utf-8", ".srt", lambda response, _, export: write_srt(response, export.emotions)
    ),
    "vtt": FormatInfo(
        "text/vtt; charset=utf-8", ".vtt", lambda response, _, export: write_vtt(response, export.emotions)
    ),
    "textgrid": FormatInfo(
        "text/praat-textgrid; charset=utf-8", ".TextGrid", lambda response, _, __: write_textgrid(response)
    ),
    "rttm": FormatInfo("text/x-rttm; charset=utf-8", ".rttm", lambda response, name, _: write_rttm(response, name)),
    "words-csv": _table(_CSV, ".words.csv", lambda: CsvTable("words"), ".csv"),
    "utterances-csv": _table(_CSV, ".utterances.csv", lambda: CsvTable("utterances"), ".csv"),
    "xlsx": _table(_XLSX, ".xlsx", Workbook, ".xlsx"),
}
FORMAT_NAMES: Final = (_JSON_NAME, *FORMATS, *_ALIASES)


def write_export(response: PredictOut, export: ExportRequest, name: str = "") -> bytes:
    """A response as a file.

    Args:
        response: The response.
        export: Format and its options.
        name: Name of the recording, for the files that contain it.
    """
    return FORMATS[export.format].write(response, name, export)


def name_export(name: str, export: ExportRequest) -> str:
    """Name of the file for a recording of that name."""
    return f"{PurePath(name).stem or _NO_NAME}{FORMATS[export.format].suffix}"


def read_export(fields: Mapping[str, Any], accept: str = "") -> ExportRequest | None:
    """The requested export; None for JSON.

    Args:
        fields: The fields `format` and `subtitle_emotions`, where they are given.
        accept: The Accept header, which counts where `format` is not given.

    Raises:
        UnknownNameError: A value does not exist.
        ConflictingFieldsError: The emotions cannot be shown in this format.
    """
    given = fields.get("format")
    named = str(given) if given else _accepted(accept)
    if named not in FORMAT_NAMES:
        raise UnknownNameError("format", named[:100], _suggest(named, FORMAT_NAMES))
    emotions = _read_emotions(fields.get("subtitle_emotions"), named)
    return None if named == _JSON_NAME else ExportRequest(_resolve(named), emotions)


def _resolve(name: str) -> ExportFormat:
    known: dict[str, ExportFormat] = {each: each for each in FORMATS} | dict(_ALIASES)
    return known[name]


def _read_emotions(value: object, named: str) -> SubtitleEmotions:
    text = str(value or "omit")
    known: dict[str, SubtitleEmotions] = {each: each for each in _EMOTIONS}
    if text not in known:
        raise UnknownNameError("value of `subtitle_emotions`", text[:100], _suggest(text, _EMOTIONS))
    if text != "omit" and (named not in {"srt", "vtt"} or (named, text) == ("srt", "class")):
        raise ConflictingFieldsError(f"subtitle_emotions={text}", f"format={named}")
    return known[text]


def _suggest(name: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(name, known, 1)
    return f"did you mean `{close[0]}`?" if close else f"choose from {', '.join(known)}"


def _accepted(accept: str) -> str:
    """The name of the format that a client prefers; JSON where it names none of them.

    Source: RFC 9110, Section 12.5.1 (quality values); the first of several equal ones is taken.
    """
    formats = {info.media_range: name for name, info in reversed(FORMATS.items())} | {"text/csv": "words-csv"}
    names = formats | dict.fromkeys((JSON, "application/*", "*/*"), _JSON_NAME)
    ranges = [_read_range(part) for part in accept.split(",")[:_MAX_RANGES]]
    offered = [(quality, names[kind]) for kind, quality in ranges if kind in names and quality > 0]
    return max(offered, key=lambda each: each[0], default=(1.0, _JSON_NAME))[1]


def _read_range(text: str) -> tuple[str, float]:
    kind, *parameters = (part.strip().lower() for part in text.split(";"))
    qualities = (value for name, _, value in (each.partition("=") for each in parameters) if name.strip() == "q")
    try:
        return kind, float(next(qualities, "1"))
    except ValueError:
        return kind, 0.0
