"""Windows of a long recording on disk, from any position."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from alignment.audio import AudioFile
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.speech.windows import Window, WindowCutter, cut_between_words
from alignment.timing import samples_to_seconds, seconds_to_samples
from alignment.transcripts.words import check_words
from service.inference.request import AnalysisRequest
from service.inference.window_loop import WindowRequest


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
        TranscriptError: See `check_words`.
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
    request = request.with_duration(duration_s)
    reader = _SampleReader(blocks, first_sample)
    for cut in cut_between_words(check_words(request.words or (), duration_s), duration_s):
        start, end = max(first_sample, seconds_to_samples(cut.start_s)), seconds_to_samples(cut.end_s)
        if start < end:
            yield Window(samples_to_seconds(start), reader.read(start, end)), request.with_words(cut.words)


class _SampleReader:
    """Reads ranges of samples, in order, from blocks of any size; what is between two ranges is not kept."""

    def __init__(self, blocks: Iterator[NDArray[np.float32]], position: int) -> None:
        """Read nothing yet; the first block begins at `position`."""
        self._blocks, self._position = blocks, position
        self._rest = np.zeros(0, np.float32)

    def read(self, start: int, end: int) -> NDArray[np.float32]:
        """(samples,) from `start` to `end`, or to the end of the recording."""
        pieces = [np.zeros(0, np.float32)]
        while self._position < end:
            block = self._rest if len(self._rest) else next(self._blocks, None)
            if block is None:
                break
            taken = min(len(block), end - self._position)
            inside = block[max(0, start - self._position) : taken]
            if len(inside):
                pieces.append(inside)
            self._position += taken
            self._rest = block[taken:]
        return np.concatenate(pieces)


def _skip(blocks: Iterator[NDArray[np.float32]], samples: int) -> Iterator[NDArray[np.float32]]:
    for block in blocks:
        if samples < len(block):
            yield block[samples:]
        samples = max(0, samples - len(block))
