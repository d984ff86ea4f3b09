"""A job's recording in windows, from any window on."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from alignment.audio import AudioFile
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.speech.windows import Window, WindowCutter, cut_between_words
from alignment.timing import samples_to_seconds, seconds_to_samples
from alignment.transcripts.words import check_words
from service.inference.result import AnalysisRequest


def cut_recording(
    audio: AudioFile, request: AnalysisRequest, detector: VoiceActivityDetector, first_sample: int = 0
) -> Iterator[tuple[Window, AnalysisRequest]]:
    """Each window, and the request as it applies to it.

    Args:
        audio: the recording.
        request: what is known beside it; words are handed out to the windows that they lie in.
        detector: finds the pauses.
        first_sample: where a window ended before.

    Raises:
        EmptyTranscriptError, WordOrderError, WordBoundsError: see `check_words`.
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
) -> Iterator[tuple[Window, AnalysisRequest]]:
    duration_s = audio.source.duration_s
    kept = np.zeros(0, np.float32)
    start = first_sample
    for cut in cut_between_words(check_words(request.words or (), duration_s), duration_s):
        end = seconds_to_samples(cut.end_s)
        if end <= first_sample:
            continue
        while len(kept) < end - start and (block := next(blocks, None)) is not None:
            kept = np.concatenate((kept, block))
        yield Window(samples_to_seconds(start), kept[: end - start]), replace(request, words=cut.words)
        kept, start = kept[end - start :].copy(), end


def _skip(blocks: Iterator[NDArray[np.float32]], samples: int) -> Iterator[NDArray[np.float32]]:
    for block in blocks:
        if samples < len(block):
            yield block[samples:]
        samples = max(0, samples - len(block))
