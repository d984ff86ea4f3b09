"""Live speech, requests and jobs in the queues of WhisperX: common batches of Whisper, and wav2vec 2.0."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from alignment.aligners.whisperx.aligner import Recognition, WhisperXAligner
from alignment.aligners.whisperx.recogniser import RecognitionInput
from alignment.aligners.whisperx.word_aligner import AlignmentInput, WordAligner
from alignment.audio import AudioSource, Waveform
from alignment.priority import Priority, PrioritySlots, at_priority, current_priority
from alignment.timing import SAMPLE_RATE_HZ, Seconds
from alignment.transcripts.words import Transcript
from tests.waiting import wait_until

pytestmark = pytest.mark.slow
LIVE, REQUEST, JOB = Priority.LIVE, Priority.REQUEST, Priority.BACKGROUND


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine a job would otherwise have waited for long enough to count as a request."""
    monkeypatch.setattr("alignment.priority.PATIENCE_S", 600.0)


class BlockedWhisper:
    """Recognises no word; blocks while its gate is cleared, and stores the seconds of each window of each batch."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, inputs: Sequence[RecognitionInput]) -> list[str]:
        self.batches.append([round(len(each.samples) / SAMPLE_RATE_HZ) for each in inputs])
        self.gate.wait(20)
        return [""] * len(inputs)


def wait_for_queue(queue: Recognition | PrioritySlots, length: int) -> None:
    wait_until(lambda: queue.waiting == length)


def recognise(aligner: WhisperXAligner, priority: Priority, window_s: Seconds, count: int = 1) -> Transcript:
    """Recognise a recording with a number of windows."""
    speech = tuple((29.0 * index, 29.0 * index + window_s) for index in range(count))
    duration_s = speech[-1][1] + 1.0
    samples = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)
    with at_priority(priority):
        return aligner.recognise(Waveform(samples, AudioSource(duration_s, SAMPLE_RATE_HZ, 1), speech=speech))


def test_windows_of_a_job_give_way(whisperx: WhisperXAligner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of four, of which a job takes a quarter while others wait."""
    blocked = BlockedWhisper()
    with whisperx._models.use() as (_, recognition), ThreadPoolExecutor(4) as pool:
        monkeypatch.setattr(recognition, "_process", blocked)
        futures = [pool.submit(recognise, whisperx, REQUEST, 2.0)]
        wait_until(lambda: blocked.batches == [[2]])
        waiting = 0
        for priority, window_s, count in ((JOB, 5.0, 3), (REQUEST, 3.0, 1), (LIVE, 4.0, 1)):
            futures.append(pool.submit(recognise, whisperx, priority, window_s, count))
            waiting += count
            wait_for_queue(recognition, waiting)
        blocked.gate.set()
        assert [len(future.result().utterances) for future in futures] == [1, 3, 1, 1]
    assert blocked.batches == [[2], [4, 3, 5], [5, 5]]


def test_alignment_of_a_job_gives_way(whisperx: WhisperXAligner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network encodes one window at a time."""
    with whisperx._models.use() as (models, _):
        aligner = models.word_aligner("en")
    priorities: list[Priority] = []
    monkeypatch.setattr(aligner, "_network", _recorded(aligner._network, priorities))
    release = aligner._slots.acquire()
    with ThreadPoolExecutor(3) as pool:
        futures = []
        for number, priority in enumerate((JOB, REQUEST, LIVE), 1):
            futures.append(pool.submit(_align, aligner, priority))
            wait_for_queue(aligner._slots, number)
        release()
        assert all(future.result() for future in futures)
    assert priorities == [LIVE, REQUEST, JOB]


def _recorded(network: Callable[..., Any], priorities: list[Priority]) -> Callable[..., Any]:
    def record(*arguments: object) -> Any:
        priorities.append(current_priority())
        return network(*arguments)

    return record


def _align(aligner: WordAligner, priority: Priority) -> bool:
    with at_priority(priority):
        [aligned] = aligner.align_words([AlignmentInput([np.zeros(SAMPLE_RATE_HZ, np.float32)], ["one"])])
    return aligned is not None
