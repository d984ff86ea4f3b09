"""Windows of a recording: by speech detection, by channel, or with the turns of speakers."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import merge

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.whisperx.diarization import Diarizer
from alignment.audio import Waveform
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.speech.windows import WINDOW_S, Window, cut_windows
from service.inference.request import AnalysisRequest
from service.observability.stopwatch import Stopwatch


def cut_recording(
    waveform: Waveform,
    request: AnalysisRequest,
    detector: VoiceActivityDetector,
    diarizer: Diarizer,
    stopwatch: Stopwatch,
) -> Iterable[Window]:
    """Windows in order; a recording whose words or segments are given is one window.

    Args:
        waveform: The decoded recording.
        request: The request.
        detector: Finds pauses.
        diarizer: Separates speakers by voice, where the request asks for it.
        stopwatch: Measures the stage `diarize`.
    """
    if request.speakers == "channels":
        tracks = [_cut_track(f"channel {number}", track, detector) for number, track in enumerate(waveform.tracks, 1)]
        return merge(*tracks, key=lambda window: window.start_s)
    if request.speakers == "diarize":
        return _cut_with_turns(waveform, detector, diarizer, stopwatch)
    if request.recognises and not request.segments and waveform.duration_s > WINDOW_S:
        return cut_windows(waveform.samples, detector)
    return [Window(0.0, waveform.samples, quality=waveform.quality)]


def _cut_track(speaker: str, samples: NDArray[np.float32] | None, detector: VoiceActivityDetector) -> Iterator[Window]:
    """Windows of one channel; none of a silent one."""
    if samples is not None:
        for window in cut_windows(samples, detector):
            yield replace(window, speaker=speaker)


def _cut_with_turns(
    waveform: Waveform, detector: VoiceActivityDetector, diarizer: Diarizer, stopwatch: Stopwatch
) -> Iterator[Window]:
    """Windows with the speaker turns of the whole recording."""
    turns = tuple(stopwatch.run("diarize", lambda: diarizer.diarize(waveform)))
    for window in cut_windows(waveform.samples, detector):
        yield replace(window, turns=turns)
