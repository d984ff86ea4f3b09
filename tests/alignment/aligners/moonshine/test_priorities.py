"""Recordings share the recogniser stretch by stretch, by their priority; the recogniser is replaced."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from alignment.aligners.moonshine.aligner import MoonshineAligner, _Stretch
from alignment.audio import AudioSource, Waveform
from alignment.priority import Priority, at_priority, current_priority
from alignment.timing import SAMPLE_RATE_HZ, Seconds
from alignment.transcripts.utterances import SpeechSegment
from alignment.transcripts.words import EncodedSpeech, Transcript
from tests.waiting import wait_until

STATES: NDArray[np.float32] = np.zeros((1, 1), np.float32)


class BlockedRecognition:
    """Replaces the recognition of a stretch by one without words; blocks while its gate is cleared."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.priorities: list[Priority] = []

    def __call__(self, _: Waveform, speech: SpeechSegment, near: SpeechSegment, __: SpeechSegment) -> _Stretch:
        self.priorities.append(current_priority())
        self.gate.wait(20)
        return _Stretch(speech, near, (), (), EncodedSpeech(near.start_s, STATES))


@pytest.fixture
def aligner() -> Iterator[MoonshineAligner]:
    """Aligner with one stretch at once."""
    made = MoonshineAligner(threads=os.cpu_count() or 1)
    yield made
    made.close()


def recognise(aligner: MoonshineAligner, priority: Priority, *starts_s: Seconds) -> Transcript:
    """Recognise a recording with 4 s of speech at each of some times."""
    duration_s = starts_s[-1] + 5.0
    samples = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)
    speech = tuple((start_s, start_s + 4.0) for start_s in starts_s)
    with at_priority(priority):
        return aligner.recognise(Waveform(samples, AudioSource(duration_s, SAMPLE_RATE_HZ, 1), speech=speech))


def test_job_gives_way_after_each_stretch(aligner: MoonshineAligner, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = BlockedRecognition()
    monkeypatch.setattr(aligner, "_recognise_stretch", blocked)
    with ThreadPoolExecutor(2) as pool:
        job = pool.submit(recognise, aligner, Priority.BACKGROUND, 0.0, 10.0, 20.0)
        wait_until(lambda: len(blocked.priorities) == 1)
        live = pool.submit(recognise, aligner, Priority.LIVE, 0.0)
        wait_until(lambda: aligner._slots.waiting == 1)
        blocked.gate.set()
        assert (len(live.result().encoded), len(job.result().encoded)) == (1, 3)
    job_stretch = Priority.BACKGROUND
    assert blocked.priorities == [job_stretch, Priority.LIVE, job_stretch, job_stretch]
