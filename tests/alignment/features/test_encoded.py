"""Frames of an encoder under the segments of an utterance."""

import numpy as np
import pytest
from numpy.typing import NDArray

from alignment.features.encoded import ENCODER_HOP_SAMPLES, ENCODER_SIZE, FrontEnd, select_frames
from alignment.features.extraction import FeatureSpec, extract_features
from alignment.features.mfcc import compute_mfcc
from alignment.timing import samples_to_seconds
from alignment.transcripts.words import EncodedSpeech, Utterance
from tests.builders import noise, timed

HOP_S = samples_to_seconds(ENCODER_HOP_SAMPLES)
UTTERANCE = Utterance(1.0, 3.0, timed(("a", 1.2, 1.6), ("b", 1.6, 2.0), ("c", 2.5, 2.8)))


def numbered(frames: int, start_s: float) -> EncodedSpeech:
    """States whose values are the index of their frame."""
    states: NDArray[np.float32] = np.repeat(np.arange(frames, dtype=np.float32)[:, None], ENCODER_SIZE, axis=1)
    return EncodedSpeech(start_s, states)


def test_frames_of_a_segment_overlap_it() -> None:
    selected = select_frames(np.array([[0, 384], [383, 385], [384, 1_152]]), 10)
    assert selected.counts.tolist() == [1, 2, 2]
    assert selected.index.tolist() == [0, 0, 1, 1, 2]
    assert selected.starts.tolist() == [0, 0, 384, 384, 768]


def test_segment_outside_the_states_has_the_nearest_frame() -> None:
    assert select_frames(np.array([[-900, -500], [9_000, 9_900]]), 4).index.tolist() == [0, 3]


@pytest.mark.parametrize("before_s", [0.0, 0.24, 1.0])
def test_states_of_a_longer_stretch_are_found_at_the_time_of_the_words(before_s: float) -> None:
    spec = FeatureSpec(front_end="encoder", overlap=0.0)
    encoded = numbered(200, 1.0 - before_s)
    features = extract_features(noise(2.0), UTTERANCE, spec, encoded)
    # The words tile the utterance: 0 to .6 s, to 1.25 s, to 2 s.
    edges = np.array([0.0, 0.6, 1.25, 2.0]) + before_s
    firsts = np.cumsum(features.frame_counts) - features.frame_counts
    assert features.frames[firsts, 0].tolist() == np.floor(edges[:-1] / HOP_S + 1e-9).tolist()
    lasts = np.cumsum(features.frame_counts) - 1
    assert features.frames[lasts, 0].tolist() == (np.ceil(edges[1:] / HOP_S - 1e-9) - 1).tolist()


def test_both_is_the_coefficients_of_the_frame_before_its_state() -> None:
    samples, encoded = noise(2.0), numbered(84, 1.0)
    features = extract_features(samples, UTTERANCE, FeatureSpec(front_end="both"), encoded)
    spec = FeatureSpec().mfcc
    index = features.frames[:, spec.n_mfcc].astype(int)
    assert features.frames.shape[1] == spec.n_mfcc + ENCODER_SIZE
    starts = index * ENCODER_HOP_SAMPLES
    expected = compute_mfcc(samples, np.stack((starts, starts + 400), axis=1)[starts + 400 <= len(samples)], spec)
    np.testing.assert_allclose(features.frames[starts + 400 <= len(samples), :40], expected.frames, atol=1e-3)


@pytest.mark.parametrize(("front_end", "size"), [("mfcc", 40), ("encoder", 288), ("both", 328)])
def test_frame_size_follows_from_the_front_end(front_end: FrontEnd, size: int) -> None:
    spec = FeatureSpec(front_end=front_end)
    assert spec.frame_size == size
    assert extract_features(noise(2.0), UTTERANCE, spec, numbered(84, 1.0)).frames.shape[1] == size


def test_states_are_required() -> None:
    with pytest.raises(ValueError, match="encoder states"):
        extract_features(noise(2.0), UTTERANCE, FeatureSpec(front_end="encoder"))
