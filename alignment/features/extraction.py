"""Input features of the models: one word and its MFCC frames per step.

Shared by training and serving: corpora and aligners both give utterances with timed words, from which this module
computes the features.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alignment.features.mfcc import MfccConfig, compute_mfcc
from alignment.features.segmentation import segment_by_words, segment_equally, share_silence
from alignment.timing import samples_to_whole_frames, seconds_to_frames
from alignment.transcripts.normalisation import is_filler, normalise_word
from alignment.transcripts.words import Utterance

Segmentation = Literal["aligned", "equal", "whole"]
Fillers = Literal["kept", "dropped"]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """All parameters of the features; stored with the weights.

    Attributes:
        segmentation: "aligned" cuts at the words, "equal" into as many equal segments, "whole" not at all.
        overlap: Share of its length by which a segment overlaps its neighbours, half on either side.
        fillers: Whether fillers such as `++LAUGHTER++` are words, or silence that their neighbours share.
        mfcc: Parameters of the coefficients.
    """

    segmentation: Segmentation = "aligned"
    overlap: float = 0.1
    fillers: Fillers = "kept"
    mfcc: MfccConfig = field(default_factory=MfccConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise ValueError("overlap must be 0 or more and less than 1")


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceFeatures:
    """Features of one utterance, without padding.

    Attributes:
        words: Normalised spelling of each word; at least one, "" for an unknown one.
        frames: (frames, n_mfcc) float32, segment after segment.
        frame_counts: (segments,) int64; as many segments as words, or one for the segmentation "whole".
    """

    words: tuple[str, ...]
    frames: NDArray[np.float32]
    frame_counts: NDArray[np.int64]


def extract_features(samples: NDArray[np.float32], utterance: Utterance, spec: FeatureSpec) -> UtteranceFeatures:
    """Compute the features of one utterance.

    Args:
        samples: (samples,) at 16 kHz from `utterance.start_s` to `utterance.end_s`.
        utterance: Words with times that count from the same origin as `utterance.start_s`.
        spec: Segmentation and coefficients.

    Source: Lee, Yoon, Jung 2020, Section 3.1.
    """
    words = tuple(normalise_word(word.word) for word in utterance.words) or ("",)
    bounds = segment_bounds(utterance, len(samples), spec)
    segments = compute_mfcc(samples, bounds, spec.mfcc)
    return UtteranceFeatures(words, segments.frames, segments.frame_counts)


def select_words(utterance: Utterance, spec: FeatureSpec) -> Utterance:
    """Keep the words of an utterance that the model reads; an utterance of fillers only keeps them.

    Source: Lee, Yoon, Jung 2020, Section 4.2, names `<s> <sil> </s>` as removed and is silent on fillers.
    """
    if spec.fillers == "kept":
        return utterance
    kept = tuple(word for word in utterance.words if not is_filler(word.word))
    return replace(utterance, words=kept or utterance.words)


def segment_bounds(utterance: Utterance, total_samples: int, spec: FeatureSpec) -> NDArray[np.int64]:
    """(segments, 2) sample bounds, relative to the utterance's start."""
    if spec.segmentation == "whole":
        return np.array([[0, total_samples]], np.int64)
    if spec.segmentation == "equal" or not utterance.words:
        return segment_equally(max(1, len(utterance.words)), total_samples, spec.overlap)
    spans = np.array(
        [
            (seconds_to_frames(word.start_s - utterance.start_s), seconds_to_frames(word.end_s - utterance.start_s))
            for word in utterance.words
        ],
        np.int64,
    )
    return segment_by_words(share_silence(spans, samples_to_whole_frames(total_samples)), total_samples, spec.overlap)
