"""Decoding of audio in any container, rate and number of channels to mono float32 at 16 kHz."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignment import errors
from alignment.containers import read_part, stream_part
from alignment.ffmpeg import count_tracks
from alignment.mono import Bounds, Form, MonoBlocks, resample_blocks
from alignment.parts import Part, open_parts
from alignment.quality import SoundQuality, measure_quality
from alignment.sample_blocks import SampleBlocks
from alignment.sample_chunks import Range
from alignment.search_budget import SearchBudget
from alignment.survey import Scan, Survey, open_mono, read_joined, survey_part
from alignment.timing import Seconds, samples_to_seconds, seconds_to_samples

MIN_DURATION_S: Final = 0.1
QUALITY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class AudioSource:
    """Format of the decoded file; of joined files, the length of all, and the rate and channels of the first."""

    duration_s: Seconds
    sample_rate_hz: int
    channels: int


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Mono audio at 16 kHz.

    Attributes:
        samples: (samples,) float32 at 16 kHz, full scale 1, all finite.
        source: Format of the decoded file.
        warnings: Messages about the file (truncated, damaged, scaled, offset, channels, band).
        tracks: (samples,) of each channel, after `alignment.channels.decode_channels` only; None for a silent one.
        speech: (start_s, end_s) of given speech segments; empty for voice activity detection.
        quality: Measured by `decode_audio` on the first minute; None for other samples.
    """

    samples: NDArray[np.float32]
    source: AudioSource
    warnings: tuple[str, ...] = ()
    tracks: tuple[NDArray[np.float32] | None, ...] = ()
    speech: tuple[tuple[Seconds, Seconds], ...] = ()
    quality: SoundQuality | None = None

    @property
    def duration_s(self) -> Seconds:
        """Length in seconds."""
        return samples_to_seconds(len(self.samples))

    def cut(self, start_s: Seconds, end_s: Seconds) -> NDArray[np.float32]:
        """Return (samples,) between two times, clipped to the waveform."""
        return self.samples[max(0, seconds_to_samples(start_s)) : max(0, seconds_to_samples(end_s))]


def decode_audio(
    data: bytes | Path, max_duration_s: Seconds = 300.0, *, abandoned: Callable[[], bool] = lambda: False
) -> Waveform:
    """Decode audio bytes to mono float32 at 16 kHz.

    Args:
        data: Complete file, or its path: wav, flac, ogg, mp3 (libsndfile), m4a, mp4, webm (FFmpeg).
        max_duration_s: Longest audio; decoding stops there, whatever the header states.
        abandoned: Called between blocks; decoding stops when it returns True.

    Returns:
        The channels' average without its constant offset, resampled by soxr (high quality) to 16 kHz. Where the
        channels cancel each other, the strongest one alone, with a warning. A truncated or damaged file gives the audio
        that it holds, with a warning; so do joined files, each in its own form; gaps of the timestamps give silence.

    Raises:
        EmptyFileError: There are no bytes.
        UndecodableAudioError: The bytes are no audio.
        UnsupportedAudioError: The rate is under 4 or over 768 kHz, or there are more than 32 channels.
        NoSamplesError: The file holds no sample.
        NonFiniteAudioError: A sample is NaN or infinite.
        SilentAudioError: Every channel is constant.
        AudioTooShortError: The audio lasts less than 0.1 s.
        AudioTooLongError: The audio lasts longer than `max_duration_s`.
        DecodingAbandonedError: `abandoned` returned True.
        OSError: The file of the path cannot be read.
    """
    bounds = Bounds(max_duration_s, abandoned)
    with open_recording(data, bounds) as parts:
        surveys = survey_parts(parts, bounds)
    quality = _measure_start(surveys)
    return Waveform(surveys.samples, surveys.source, (*surveys.warnings, *quality.warnings), quality=quality)


@dataclass(frozen=True, slots=True)
class AudioFile:
    """Recording on disk that was decoded once for its properties, without keeping the samples.

    Attributes:
        path: Path of the file.
        source: Format of the file.
        warnings: See `Waveform`.
        quality: Measured on the first minute.
        pieces: Range of each file in it, and the conversion of its samples to those of `decode_audio`; one for most
            recordings.
    """

    path: Path
    source: AudioSource
    warnings: tuple[str, ...]
    quality: SoundQuality
    pieces: tuple[tuple[Range, Form], ...]

    def read_blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of `decode_audio` block by block."""
        with open_parts(self.path, lambda _: [place for place, _ in self.pieces]) as parts:
            for part, (_, form) in zip(parts, self.pieces, strict=True):
                yield from self._read_part(part, form)

    def _read_part(self, part: Part, form: Form) -> Iterator[NDArray[np.float32]]:
        with stream_part(part, form.track) as opened:
            mono = MonoBlocks(opened, Bounds(self.source.duration_s + 1.0), form)
            for block in resample_blocks(mono, opened.sample_rate_hz):
                yield form.fit(block)


def inspect_audio(path: Path, max_duration_s: Seconds) -> AudioFile:
    """Decode a recording on disk for its properties, without keeping the samples.

    Args:
        path: Path of the file.
        max_duration_s: See `decode_audio`.

    Raises:
        AudioError: See `decode_audio`.
    """
    bounds = Bounds(max_duration_s)
    with open_recording(path, bounds) as parts:
        surveys = survey_parts(parts, bounds, QUALITY_S)
    quality = _measure_start(surveys)
    return AudioFile(path, surveys.source, (*surveys.warnings, *quality.warnings), quality, surveys.pieces)


@dataclass(frozen=True, slots=True)
class Surveys:
    """Files of a recording in their forms.

    Attributes:
        samples: (samples,) the first ones of all files at 16 kHz.
        source: Format.
        warnings: Messages about the files.
        pieces: See `AudioFile`.
    """

    samples: NDArray[np.float32]
    source: AudioSource
    warnings: tuple[str, ...]
    pieces: tuple[tuple[Range, Form], ...]


def survey_parts(parts: Sequence[Part], bounds: Bounds, kept_s: Seconds = inf) -> Surveys:
    """Form and first samples of each file of a recording.

    Args:
        parts: Its files.
        bounds: Limits of decoding, for all files together.
        kept_s: Least length of the samples that are returned, of a longer recording.

    Raises:
        AudioError: See `decode_audio`.
    """

    def read(part: Part, left: Bounds) -> tuple[Scan, Survey]:
        survey = survey_part(part, left, max(0.0, kept_s - left.before_s))
        return survey.scan, survey

    numbered, joined = read_joined(parts, bounds, read)
    surveys = [survey for _, survey in numbered]
    source = describe_source([survey.scan for survey in surveys])
    if all(survey.is_silent for survey in surveys):
        raise errors.SilentAudioError(source.duration_s)
    return Surveys(
        np.concatenate([survey.samples for survey in surveys]),
        source,
        number_warnings([(number, survey.warnings) for number, survey in numbered], joined),
        tuple(((survey.part.start, survey.part.end), survey.form) for survey in surveys),
    )


def number_warnings(read: Sequence[tuple[int, Sequence[str]]], joined: Sequence[str]) -> tuple[str, ...]:
    """Messages about all files: those of the first, those about all, and those of the others with their numbers.

    Args:
        read: Number of each file, from 1 on, and the messages about it.
        joined: Messages about all files, or about those that were left out.
    """
    return (
        *(warning for number, warnings in read if number == 1 for warning in warnings),
        *joined,
        *(f"file {number} of them: {warning}" for number, warnings in read if number > 1 for warning in warnings),
    )


def describe_source(scans: Sequence[Scan]) -> AudioSource:
    """Format of a recording.

    Args:
        scans: Its files.

    Raises:
        AudioTooShortError: The audio lasts less than 0.1 s.
    """
    source = AudioSource(sum(scan.duration_s for scan in scans), scans[0].sample_rate_hz, scans[0].channels)
    if source.duration_s < MIN_DURATION_S:
        raise errors.AudioTooShortError(source.duration_s, MIN_DURATION_S)
    return source


def _measure_start(surveys: Surveys) -> SoundQuality:
    return measure_quality(surveys.samples[: seconds_to_samples(QUALITY_S)], surveys.source.sample_rate_hz)


def probe_audio(path: Path) -> None:
    """Raise unless a recording on disk starts with decodable audio in one of its tracks.

    First blocks are decoded, and frames and pages are not searched, whatever the length of the recording.

    Raises:
        EmptyFileError, UndecodableAudioError, UnsupportedAudioError, NoSamplesError, NonFiniteAudioError: The first
            block cannot be used.
    """
    with open_parts(path, lambda scanner: [(0, len(scanner.data))], SearchBudget(frames=0, pages=0)) as parts:
        try:
            read_part(parts[0], _probe)
        except (errors.NoSamplesError, errors.UndecodableAudioError):
            if not any(_can_probe(parts[0], track) for track in range(1, count_tracks(parts[0]))):
                raise


def _probe(opened: SampleBlocks) -> None:
    if next(iter(open_mono(opened, Bounds(inf), Form())), None) is None:
        raise errors.NoSamplesError()


def _can_probe(part: Part, track: int) -> bool:
    with suppress(errors.NoSamplesError, errors.UndecodableAudioError):
        read_part(part, _probe, track)
        return True
    return False


def open_recording(source: bytes | Path, bounds: Bounds) -> AbstractContextManager[list[Part]]:
    """Files of a recording, found within the limits of decoding; see `alignment.parts.open_parts`."""
    return open_parts(source, budget=SearchBudget(bounds.abandoned))
