"""Words and times of the recordings of a table, found by the functions of the service.

A recording is decoded, brought to the level of the features, and its words are given, aligned or recognised, as for a
request to the service. One recording is one utterance: from the first of those that the service would find to the end
of the last. Recordings that cannot be used are left out, with the reason.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter
from rich.progress import track

from alignment.aligners.given import build_given_transcript
from alignment.aligners.protocol import Aligner
from alignment.audio import Waveform, decode_audio
from alignment.errors import (
    AlignerError,
    AlignerFailedError,
    AlignmentError,
    AudioError,
    AudioTooLongError,
    NoSpeechError,
    TranscriptError,
)
from alignment.features.extraction import FeatureSpec
from alignment.pipeline import bring_to_level, find_words
from alignment.transcripts.words import AlignerInfo, TimedWord, Transcript
from model.corpora.table import TableRow
from model.corpora.word_store import WordStore
from model.safe_console import SafeConsole

MAX_RECORDING_S: Final = 60.0
"""Longest recording that is one utterance; the service scores utterances of at most 15 s."""
_FAULTS: Final[dict[type[AlignmentError], str]] = {
    AudioTooLongError: "too long",
    AudioError: "unusable audio",
    NoSpeechError: "no speech",
    AlignerFailedError: "failed alignment",
    TranscriptError: "words that do not fit the audio",
    AlignmentError: "other reasons",
}
"""Errors for which a recording is left out, the most specific first, in a few words."""


@dataclass(frozen=True, slots=True)
class RowWords:
    """Words of one recording.

    Attributes:
        words: Words with times; empty where the recording is left out.
        span: Start and end in seconds of the utterance that they are, with the margins of the service.
        duration_s: Length of the recording.
        digest: SHA-256 of the file.
        fault: Why the recording is left out, in a few words; "" where it is used.
        reason: The same as a whole message.
    """

    words: tuple[TimedWord, ...]
    span: tuple[float, float]
    duration_s: float
    digest: str
    fault: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class WordSource:
    """Where words come from.

    Attributes:
        aligner: Creates the aligner, on first use.
        spec: Features; their level concerns the words.
        language: ISO 639-1 code; None for the aligner's default.
        cache: Folder of stored results.
        workers: Recordings processed in parallel.
    """

    aligner: Callable[[], Aligner]
    spec: FeatureSpec
    language: str | None
    cache: Path
    workers: int


@dataclass(slots=True)
class FoundWords:
    """Words of all recordings of a table.

    Attributes:
        by_row: Result of each row, in order.
        aligner: Aligner of the recordings without given times; None if there are none.
    """

    by_row: list[RowWords] = field(default_factory=list)
    aligner: AlignerInfo | None = None


_ENTRY: Final = TypeAdapter(RowWords)
_Result = tuple[TableRow, "Future[RowWords]"]


def find_all_words(rows: Sequence[TableRow], source: WordSource) -> FoundWords:
    """Find the words of every row; results are stored, so that an interrupted run can be resumed.

    Raises:
        AlignerError: The aligner cannot run.
        OSError: A file cannot be read.
    """
    given, others = ([row for row in rows if (row.words is not None) is timed] for timed in (True, False))
    results = dict(_find_stored(given, None, source))
    info = None
    if others:
        aligner = source.aligner()
        try:
            results |= _find_stored(others, aligner, source)
            info = aligner.info
        finally:
            aligner.close()
    return FoundWords([results[row.number] for row in rows], info)


def _find_stored(
    rows: Sequence[TableRow], aligner: Aligner | None, source: WordSource
) -> Iterator[tuple[int, RowWords]]:
    """Row number and words of each row, in order; what is not stored is found first."""
    store = WordStore(source.cache / _store_name(aligner), _ENTRY)
    keys = {row.number: _key(row, source) for row in rows}
    missing = [row for row in rows if keys[row.number] not in store]
    failed: dict[int, RowWords] = {}
    pool = ThreadPoolExecutor(source.workers)
    try:
        futures = [pool.submit(_find, row, aligner, source) for row in missing]
        for row, future in _show_progress(list(zip(missing, futures, strict=True)), aligner):
            try:
                store.add(keys[row.number], future.result())
            except AlignerFailedError as exc:  # not stored: it may succeed another time
                failed[row.number] = _left_out("", AlignerFailedError, str(exc))
    finally:
        pool.shutdown(cancel_futures=True)
    for row in rows:
        yield row.number, failed.get(row.number) or store[keys[row.number]]


def _show_progress(results: Sequence[_Result], aligner: Aligner | None) -> Iterable[_Result]:
    if not results:
        return results
    label = "reading" if aligner is None else f"words by {aligner.info.name}"
    return track(results, label, console=SafeConsole(stderr=True))


def _store_name(aligner: Aligner | None) -> str:
    if aligner is None:
        return "table-words-given.jsonl"
    info = aligner.info
    return f"table-words-{info.name}-{hashlib.sha256(f'{info.model} {info.language}'.encode()).hexdigest()[:8]}.jsonl"


def _key(row: TableRow, source: WordSource) -> str:
    """Everything that determines the words of a recording, except the aligner."""
    stat = row.path.stat()
    given = hashlib.sha256(repr((row.text, row.words)).encode()).hexdigest()[:16]
    return f"{row.path} {stat.st_size} {stat.st_mtime_ns} {given} {source.spec.level_db} {source.language}"


def _find(row: TableRow, aligner: Aligner | None, source: WordSource) -> RowWords:
    data = row.path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    try:
        waveform = decode_audio(data, MAX_RECORDING_S)
        transcript = _transcribe(row, bring_to_level(waveform, source.spec), aligner, source.language)
    except AlignerError:
        raise
    except AudioTooLongError:
        reason = f"it is longer than {MAX_RECORDING_S:g} s; cut it into utterances, and label each"
        return _left_out(digest, AudioTooLongError, reason)
    except AlignmentError as exc:
        return _left_out(digest, next(kind for kind in _FAULTS if isinstance(exc, kind)), str(exc))
    utterances = transcript.utterances
    words = tuple(word for utterance in utterances for word in utterance.words)
    return RowWords(words, (utterances[0].start_s, utterances[-1].end_s), waveform.duration_s, digest)


def _left_out(digest: str, kind: type[AlignmentError], reason: str) -> RowWords:
    return RowWords((), (0.0, 0.0), 0.0, digest, _FAULTS[kind], reason)


def _transcribe(row: TableRow, waveform: Waveform, aligner: Aligner | None, language: str | None) -> Transcript:
    if aligner is None:
        return build_given_transcript(row.words or (), waveform.duration_s)
    return find_words(waveform, aligner, transcript=row.text or None, language=language)
