"""Windows of a long recording on disk, from any position."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from alignment.audio import AudioFile
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.speech.windows import Window, WindowCutter, cut_between_words
from alignment.timing import samples_to_seconds, seconds_to_samples
from alignment.transcripts.words import check_words
from service.inference.engine import WindowRequest
from service.inference.request import AnalysisRequest


def cut_recording(
    audio: AudioFile, request: AnalysisRequest, detector: VoiceActivityDetector, first_sample: int = 0
) -> Iterator[WindowRequest]:
    """Windows in order, each with the request as it applies to it.

    Args:
        audio: The recording.
        request: Given words are assigned to the windows that contain them.
        detector: Finds the pauses at which windows end.
        first_sample: End of an earlier window.

    Raises:
        EmptyTranscriptError, WordOrderError, WordBoundsError: See `check_words`.
    """
    blocks = _skip(audio.read_blocks(), first_sample)
    if request.words is not None:
        yield from _cut_between_words(audio, request, blocks, first_sample)
        return
    cutter = WindowCutter(detector, first_sample)
    for block in blocks:
        for window in cutter.feed(block):
            yield window, request
    for window in cutter.finish():
        yield window, request


def _cut_between_words(
    audio: AudioFile, request: AnalysisRequest, blocks: Iterator[NDArray[np.float32]], first_sample: int
) -> Iterator[WindowRequest]:
    duration_s = audio.source.duration_s
    kept = np.zeros(0, np.float32)
    start = first_sample
    for cut in cut_between_words(check_words(request.words or (), duration_s), duration_s):
        end = seconds_to_samples(cut.end_s)
        if end <= first_sample:
            continue
        while len(kept) < end - start and (block := next(blocks, None)) is not None:
            kept = np.concatenate((kept, block))
        yield Window(samples_to_seconds(start), kept[: end - start]), request.with_words(cut.words)
        kept, start = kept[end - start :].copy(), end


def _skip(blocks: Iterator[NDArray[np.float32]], samples: int) -> Iterator[NDArray[np.float32]]:
    for block in blocks:
        if samples < len(block):
            yield block[samples:]
        samples = max(0, samples - len(block))
