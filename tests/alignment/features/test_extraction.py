import numpy as np
import pytest

from alignment.features.extraction import FeatureSpec, extract_features, segment_bounds, select_words
from alignment.features.mfcc import compute_mfcc
from alignment.transcripts.words import Utterance
from tests.builders import noise, timed


def test_words_and_audio_have_the_same_steps() -> None:
    samples = noise(2.0)
    utterance = Utterance(1.0, 3.0, timed(("Kids,", 1.2, 1.6), ("42", 1.6, 2.0), ("talking.", 2.5, 2.8)))
    features = extract_features(samples, utterance, FeatureSpec())
    assert features.words == ("kids", "forty-two", "talking")
    assert len(features.frame_counts) == 3
    assert features.frame_counts.sum() == len(features.frames)


def test_bounds_equal_a_hand_computed_utterance() -> None:
    # Relative to the utterance: words at frames 20-60, 60-100, 150-180 of 200; the gap of 50 is split at 125.
    utterance = Utterance(1.0, 3.0, timed(("a", 1.2, 1.6), ("b", 1.6, 2.0), ("c", 2.5, 2.8)))
    tiles = np.array([[0, 60], [60, 125], [125, 200]]) * 160
    margins = np.array([480, 520, 600])
    expected = np.clip(tiles + np.stack((-margins, margins), axis=1), 0, 32_000)
    np.testing.assert_array_equal(segment_bounds(utterance, 32_000, FeatureSpec()), expected)


def test_whole_segmentation_is_one_segment() -> None:
    samples = noise(1.0)
    utterance = Utterance(0.0, 1.0, timed(("a", 0.0, 0.5), ("b", 0.5, 1.0)))
    features = extract_features(samples, utterance, FeatureSpec(segmentation="whole"))
    assert features.frame_counts.tolist() == [98]
    np.testing.assert_array_equal(
        features.frames, compute_mfcc(samples, np.array([[0, 16_000]]), FeatureSpec().mfcc).frames
    )


def test_equal_segmentation_ignores_word_times() -> None:
    utterance = Utterance(0.0, 1.0, timed(("a", 0.0, 0.1), ("b", 0.9, 1.0)))
    bounds = segment_bounds(utterance, 16_000, FeatureSpec(segmentation="equal"))
    assert bounds.tolist() == [[0, 8_400], [7_600, 16_000]]


@pytest.mark.parametrize("segmentation", ["aligned", "equal", "whole"])
def test_utterance_without_words_is_one_unknown_word(segmentation: str) -> None:
    spec = FeatureSpec(segmentation=segmentation)  # type: ignore[arg-type]
    features = extract_features(noise(1.0), Utterance(0.0, 1.0, ()), spec)
    assert features.words == ("",)
    assert features.frame_counts.tolist() == [98]


def test_time_of_dropped_fillers_goes_to_their_neighbours() -> None:
    spoken = Utterance(0.0, 1.0, timed(("a", 0.0, 0.4), ("++LAUGHTER++", 0.4, 0.8), ("b", 0.8, 1.0)))
    assert select_words(spoken, FeatureSpec()) == spoken
    kept = select_words(spoken, FeatureSpec(fillers="dropped"))
    assert [word.word for word in kept.words] == ["a", "b"]
    bounds = segment_bounds(kept, 16_000, FeatureSpec(overlap=0.0))
    assert bounds.tolist() == [[0, 9_600], [9_600, 16_000]]


def test_utterance_of_fillers_only_keeps_them() -> None:
    spoken = Utterance(0.0, 1.0, timed(("++BREATHING++", 0.1, 0.9)))
    assert select_words(spoken, FeatureSpec(fillers="dropped")) == spoken


def test_words_in_one_frame_have_a_segment_each() -> None:
    utterance = Utterance(0.0, 1.0, timed(*((f"w{i}", 0.5 + i * 1e-4, 0.5 + (i + 1) * 1e-4) for i in range(20))))
    features = extract_features(noise(1.0), utterance, FeatureSpec())
    assert len(features.frame_counts) == 20
    assert np.isfinite(features.frames).all()


def test_padded_segments_are_as_long_as_the_longest_of_their_utterance() -> None:
    utterance = Utterance(0.0, 1.0, timed(("a", 0.0, 0.2), ("b", 0.2, 1.0)))
    plain = extract_features(noise(1.0), utterance, FeatureSpec())
    padded = extract_features(noise(1.0), utterance, FeatureSpec(padding="utterance"))
    short, long = plain.frame_counts.tolist()
    assert short < long
    assert padded.frame_counts.tolist() == [long, long]
    np.testing.assert_array_equal(padded.frames[:short], plain.frames[:short])
    assert not padded.frames[short:long].any()
    np.testing.assert_array_equal(padded.frames[long:], plain.frames[short:])


def test_samples_after_the_last_frame_are_dropped() -> None:
    """Frames are not centred: of 559 samples one frame of 400 is read, the last 159 are in none."""
    changed = noise(559 / 16_000)
    changed[400:] = 0.0
    utterance = Utterance(0.0, 559 / 16_000, ())
    spec = FeatureSpec(segmentation="whole")
    expected = extract_features(noise(559 / 16_000), utterance, spec).frames
    np.testing.assert_array_equal(extract_features(changed, utterance, spec).frames, expected)
