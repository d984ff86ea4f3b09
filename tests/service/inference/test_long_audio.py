"""Windows of recordings on disk."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from alignment.audio import inspect_audio
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.timing import seconds_to_samples
from service.inference.long_audio import _SampleReader, cut_recording
from service.inference.request import AnalysisRequest
from tests.builders import encode, noise


@pytest.mark.parametrize("size", [1, 7, 100])
def test_ranges_do_not_depend_on_the_blocks(size: int) -> None:
    samples = np.arange(100, dtype=np.float32)
    blocks = (samples[start : start + size] for start in range(10, 100, size))
    reader = _SampleReader(blocks, 10)
    for start, end in ((10, 20), (20, 21), (50, 58), (58, 90), (95, 200)):
        np.testing.assert_array_equal(reader.read(start, end), samples[start:end])
    assert len(reader.read(200, 300)) == 0


def test_windows_of_words_resume_at_any_of_them(tmp_path: Path) -> None:
    """Words with pauses of 3 and of 150 s; silence far from every word is in no window."""
    sound = np.tile(noise(1.0), 400)
    (tmp_path / "recording").write_bytes(encode(sound))
    audio = inspect_audio(tmp_path / "recording", 1_000.0)
    words = [("word", start_s, start_s + 1.0) for start_s in (*range(40, 160, 4), *range(310, 330, 4))]
    request = AnalysisRequest(words=words)
    windows = list(cut_recording(audio, request, VoiceActivityDetector()))
    assert len(windows) >= 3
    ends = [(round(window.start_s * 16_000), round(window.end_s * 16_000)) for window, _ in windows]
    assert all(end <= start for (_, end), (start, _) in pairwise(ends))
    assert any(end < start for (_, end), (start, _) in pairwise(ends))
    decoded = np.concatenate(list(audio.read_blocks()))
    for index, (start, end) in enumerate(ends):
        np.testing.assert_array_equal(windows[index][0].samples, decoded[start:end])
        resumed = list(cut_recording(audio, request, VoiceActivityDetector(), end))
        assert [each.start_s for each, _ in resumed] == [each.start_s for each, _ in windows[index + 1 :]]
        assert [each.words for _, each in resumed] == [each.words for _, each in windows[index + 1 :]]
    times = [(window.start_s + word.start_s) for window, request in windows for word in request.words or ()]
    assert [seconds_to_samples(each) for each in times] == [seconds_to_samples(start_s) for _, start_s, _ in words]
