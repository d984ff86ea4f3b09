"""Errors of audio, transcripts and aligners, and the base of all errors of this project.

CanSerError                           also the base of `model.errors.ModelError` and `service.errors.ServiceError`
├── MissingPackageError               an optional package is not installed
└── AlignmentError
    ├── AudioError
    │   ├── EmptyFileError            no bytes at all
    │   ├── UndecodableAudioError     not audio, or audio in an unsupported format
    │   ├── UnsupportedAudioError     a sample rate or channel count out of bounds
    │   ├── NoSamplesError            a header without samples
    │   ├── NonFiniteAudioError       NaN or infinity among the samples
    │   ├── SilentAudioError          no channel holds sound
    │   ├── AudioTooShortError
    │   ├── AudioTooLongError
    │   ├── AudioTooLargeError        too many samples per second, in all channels
    │   └── DecodingAbandonedError    the request has ended
    ├── TranscriptError
    │   ├── EmptyTranscriptError      a transcript or word list without a word
    │   ├── TranscriptTooLongError    more words than the audio can hold
    │   ├── WordOrderError            a word that ends before it starts, or starts before the previous one
    │   ├── WordBoundsError           a word outside the audio
    │   ├── WordTooLongError          a word that lasts longer than an utterance may
    │   └── SegmentError              a speech segment outside the audio, or before the previous one
    ├── NoSpeechError                 voice activity detection found nothing
    ├── AlignerError
    │   ├── AlignerUnavailableError   a package or weights are missing
    │   ├── FetchError                weights could not be downloaded
    │   ├── UnsupportedLanguageError
    │   ├── DiarizationUnavailableError  packages or weights for diarization are missing
    │   └── AlignerFailedError        the engine failed on this input
    ├── EncoderUnavailableError       the encoder that the features need is not installed
    └── WdsegError                    a damaged .wdseg file

Facts are attributes; the message states what was wrong, the value, and what to do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Final

_LONGEST_CODE: Final = 3
_LANGUAGE_FORMS: Final = (
    "; name a language by its ISO 639 code, its name or a locale (de, German, Deutsch, de-DE), or omit it"
)


class CanSerError(Exception):
    """Base of all errors about data or environment in this project.

    Pickling keeps the message and all attributes, although constructors take facts and not the message.
    """

    def __reduce__(self) -> tuple[Callable[..., Exception], tuple[object, ...]]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[Exception], arguments: tuple[object, ...], facts: dict[str, object]) -> Exception:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(facts)
    return error


class MissingPackageError(CanSerError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(
            f"{package} is not installed; `make install-{extra}` installs it, or `pip install '.[{extra}]'` in this "
            "project's folder"
        )


@contextmanager
def optional_packages(extra: str, *modules: str) -> Iterator[None]:
    """Import modules of an extra inside the block.

    Args:
        extra: Name of the extra, as in `make install-EXTRA`.
        modules: Top-level modules that it installs.

    Raises:
        MissingPackageError: One of the modules is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as exc:
        module = (exc.name or "").partition(".")[0]
        if module not in modules:
            raise
        raise MissingPackageError(module, extra) from exc


class AlignmentError(CanSerError):
    """Base of all errors of `alignment`."""


class AudioError(AlignmentError):
    """The audio cannot be used."""


class EmptyFileError(AudioError):
    """The file holds no bytes."""

    def __init__(self) -> None:
        super().__init__("the audio file is empty (0 bytes); send the recording itself")


class UndecodableAudioError(AudioError):
    """Neither libsndfile nor FFmpeg recognises the bytes."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the file cannot be read as audio ({reason}); send wav, flac, ogg, mp3, m4a, mp4 or webm")


class UnsupportedAudioError(AudioError):
    """A sample rate or a channel count is out of bounds."""

    def __init__(self, quantity: str, got: int, low: int, high: int) -> None:
        self.quantity, self.got, self.low, self.high = quantity, got, low, high
        super().__init__(f"the {quantity} is {got}; convert the file to one between {low} and {high}")


class NoSamplesError(AudioError):
    """The container is valid but holds no samples."""

    def __init__(self) -> None:
        super().__init__("the file has an audio header but no samples; record or export it again")


class NonFiniteAudioError(AudioError):
    """A sample is NaN or infinite."""

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s
        super().__init__(
            f"the sample at {at_s:.3f} s is not a finite number; export the file again, as 16-bit PCM for instance"
        )


class SilentAudioError(AudioError):
    """Every channel is constant: zero, or a constant offset."""

    def __init__(self, duration_s: float) -> None:
        self.duration_s = duration_s
        super().__init__(
            f"all {duration_s:.2f} s of the audio are digital silence; check which input was recorded, and whether the "
            "microphone was muted"
        )


class AudioTooShortError(AudioError):
    """The audio is shorter than the shortest word."""

    def __init__(self, duration_s: float, limit_s: float) -> None:
        self.duration_s, self.limit_s = duration_s, limit_s
        super().__init__(f"the audio lasts {duration_s:.3f} s, at least {limit_s:g} s are needed")


class AudioTooLongError(AudioError):
    """The audio is longer than the limit; `duration_s` is where decoding stopped."""

    def __init__(self, duration_s: float, limit_s: float) -> None:
        self.duration_s, self.limit_s = duration_s, limit_s
        super().__init__(f"the audio lasts more than {limit_s:g} s, the limit; split it or raise CAN_MAX_AUDIO_S")


class AudioTooLargeError(AudioError):
    """There are far more samples per second in all channels than speech needs; decoding stopped at `limit_s`."""

    def __init__(self, sample_rate_hz: int, channels: int, limit_s: float) -> None:
        self.sample_rate_hz, self.channels, self.limit_s = sample_rate_hz, channels, limit_s
        super().__init__(
            f"the audio has {channels} channels at {sample_rate_hz} Hz, the limit is {limit_s:.1f} s of such audio; "
            "convert it to 16 kHz, or send fewer channels"
        )


class DecodingAbandonedError(AudioError):
    """Decoding was stopped because its request was cancelled or passed its deadline."""

    def __init__(self) -> None:
        super().__init__("decoding was stopped because its request has ended; send the recording again")


class TranscriptError(AlignmentError):
    """The given words or segments do not fit the audio."""


class EmptyTranscriptError(TranscriptError):
    """There is no word to align."""

    def __init__(self) -> None:
        super().__init__("the transcript holds no word; leave it out to have the speech recognised")


class TranscriptTooLongError(TranscriptError):
    """The transcript has more words than the audio can hold."""

    def __init__(self, words: int, limit: int, duration_s: float) -> None:
        self.words, self.limit, self.duration_s = words, limit, duration_s
        super().__init__(
            f"{words:,} words (digits are words too) are more than the {limit:,} that {duration_s:.1f} s of audio can "
            "hold; send the words of this recording only"
        )


class WordOrderError(TranscriptError):
    """Words do not follow one another in time."""

    def __init__(self, index: int, word: str, reason: str) -> None:
        self.index, self.word, self.reason = index, word, reason
        super().__init__(f"word {index} ({word!r}) {reason}; give the words in the order in which they are spoken")


class WordBoundsError(TranscriptError):
    """A word is outside the audio."""

    def __init__(self, index: int, word: str, start_s: float, end_s: float, duration_s: float) -> None:
        self.index, self.word = index, word
        self.start_s, self.end_s, self.duration_s = start_s, end_s, duration_s
        audio = f"the audio (0 to {duration_s:.3f} s)" if isfinite(duration_s) else "any audio"
        super().__init__(
            f"word {index} ({word!r}) spans {start_s:g} to {end_s:g} s, outside {audio}; "
            "times are seconds from the start of the file"
        )


class WordTooLongError(TranscriptError):
    """A word lasts longer than the longest utterance."""

    def __init__(self, index: int, word: str, duration_s: float, limit_s: float) -> None:
        self.index, self.word, self.duration_s, self.limit_s = index, word, duration_s, limit_s
        super().__init__(
            f"word {index} ({word!r}) lasts {duration_s:g} s, the limit is {limit_s:g} s; times are seconds, and each "
            "word has its own"
        )


class SegmentError(TranscriptError):
    """Given speech segments do not follow one another inside the audio."""

    def __init__(self, index: int, start_s: float, end_s: float, reason: str) -> None:
        self.index, self.start_s, self.end_s, self.reason = index, start_s, end_s, reason
        super().__init__(
            f"segment {index} ({start_s:g} to {end_s:g} s) {reason}; give speech segments in order, in seconds "
            "from the start of the file"
        )


class NoSpeechError(AlignmentError):
    """Voice activity detection found no speech."""

    def __init__(self, duration_s: float) -> None:
        self.duration_s = duration_s
        super().__init__(
            f"no speech was found in {duration_s:.2f} s of audio; if there is some, send its words and their times "
            "as `words`, which needs no detection"
        )


class AlignerError(AlignmentError):
    """The engine that turns audio into timed words cannot run."""


class AlignerUnavailableError(AlignerError):
    """A package or weights of the aligner are missing."""

    def __init__(self, aligner: str, reason: str, way_out: str) -> None:
        self.aligner, self.reason, self.way_out = aligner, reason, way_out
        super().__init__(f"the aligner {aligner!r} is not available: {reason}; {way_out}")


class FetchError(AlignerError):
    """A download failed or gave unexpected content; `status` is the HTTP status, if any."""

    def __init__(self, what: str, reason: str, status: int | None = None) -> None:
        self.what, self.reason, self.status = what, reason, status
        super().__init__(
            f"{what} could not be fetched: {reason}; run the command again to resume it, or copy the folder of "
            "weights from another machine"
        )


class UnsupportedLanguageError(AlignerError):
    """The aligner does not support the language."""

    def __init__(self, aligner: str, language: str, supported: str) -> None:
        self.aligner, self.language, self.supported = aligner, language, supported
        is_name = language.replace(" ", "").isalpha() and len(language) > _LONGEST_CODE
        super().__init__(
            f"the aligner {aligner!r} does not handle language {language!r}; it handles {supported}"
            + (_LANGUAGE_FORMS if is_name else "")
        )


class DiarizationUnavailableError(AlignerError):
    """Packages or weights for speaker diarization are missing."""

    def __init__(self, reason: str, way_out: str) -> None:
        self.reason, self.way_out = reason, way_out
        super().__init__(f"speaker diarization is not available: {reason}; {way_out}")


class AlignerFailedError(AlignerError):
    """The engine failed on this audio."""

    def __init__(self, aligner: str, reason: str) -> None:
        self.aligner, self.reason = aligner, reason
        super().__init__(f"the aligner {aligner!r} failed on this audio: {reason}; send it again, or send `words`")


class EncoderUnavailableError(AlignmentError):
    """The encoder that the features of a bundle need is not installed, or is another one."""

    def __init__(self, sha256: str, reason: str, way_out: str) -> None:
        self.sha256, self.reason, self.way_out = sha256, reason, way_out
        super().__init__(
            f"the features need the speech encoder with the SHA-256 {sha256}: {reason}; {way_out}, or use weights with "
            "the front end `mfcc` (--bundle starter-mfcc)"
        )


class WdsegError(AlignmentError):
    """A `.wdseg` file has no word rows, or a row that contradicts itself."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        self.path, self.line, self.reason = path, line, reason
        super().__init__(f"{path}:{line}: {reason}")
