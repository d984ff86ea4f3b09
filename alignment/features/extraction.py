"""Input features of the models: one word and the frames of its sound per step.

Shared by training and serving: corpora and aligners both give utterances with timed words, from which this module
computes the features.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alignment.features.encoded import ENCODER_SIZE, FrontEnd, select_frames
from alignment.features.mfcc import MfccConfig, compute_frames, compute_mfcc
from alignment.features.segmentation import segment_by_words, segment_equally, share_silence
from alignment.timing import samples_to_whole_frames, seconds_to_frames, seconds_to_samples
from alignment.transcripts.normalisation import is_filler, normalise_word
from alignment.transcripts.words import EncodedSpeech, Utterance

Segmentation = Literal["aligned", "equal", "whole"]
Fillers = Literal["kept", "dropped"]
Padding = Literal["none", "utterance"]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """All parameters of the features; stored with the weights.

    Attributes:
        segmentation: "aligned" cuts at the words, "equal" into as many equal segments, "whole" not at all.
        overlap: Share of its length by which a segment overlaps its neighbours, half on either side.
        fillers: Whether fillers such as `++LAUGHTER++` are words, or silence that their neighbours share.
        padding: "none" leaves segments as long as they are; "utterance" fills each with frames of zeros up to the
            longest segment of its utterance, as the paper does: the network reads and averages them like other frames.
        mfcc: Parameters of the coefficients.
        front_end: "mfcc", as the paper; "encoder", the states of a recogniser's encoder, one frame every 24 ms; "both",
            the coefficients of a window that begins with each of these frames, before its states.
        level_db: Level in dB relative to full scale to which the spoken part of the sound is brought before any front
            end; None leaves it as it is.
        encoder_sha256: Checksum of the encoder; empty for "mfcc".
    """

    segmentation: Segmentation = "aligned"
    overlap: float = 0.1
    fillers: Fillers = "kept"
    padding: Padding = "none"
    mfcc: MfccConfig = field(default_factory=MfccConfig)
    front_end: FrontEnd = "mfcc"
    level_db: float | None = None
    encoder_sha256: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise ValueError("overlap must be 0 or more and less than 1")
        if self.level_db is not None and not -60 <= self.level_db <= 0:
            raise ValueError("level_db must be between -60 and 0, or none")

    @property
    def frame_size(self) -> int:
        """Values per frame."""
        sizes = {"mfcc": self.mfcc.n_mfcc, "encoder": ENCODER_SIZE, "both": self.mfcc.n_mfcc + ENCODER_SIZE}
        return sizes[self.front_end]


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceFeatures:
    """Features of one utterance.

    Attributes:
        words: Normalised spelling of each word; at least one, "" for an unknown one.
        frames: (frames, frame size) float32, segment after segment.
        frame_counts: (segments,) int64; as many segments as words, or one for the segmentation "whole".
    """

    words: tuple[str, ...]
    frames: NDArray[np.float32]
    frame_counts: NDArray[np.int64]


def extract_features(
    samples: NDArray[np.float32], utterance: Utterance, spec: FeatureSpec, encoded: EncodedSpeech | None = None
) -> UtteranceFeatures:
    """Compute the features of one utterance.

    Args:
        samples: (samples,) at 16 kHz from `utterance.start_s` to `utterance.end_s`.
        utterance: Words with times that count from the same origin as `utterance.start_s`.
        spec: Segmentation and front end.
        encoded: Encoder states of a stretch that holds the utterance; not used by the front end "mfcc".

    Source: Lee, Yoon, Jung 2020, Section 3.1.
    """
    words = tuple(normalise_word(word.word) for word in utterance.words) or ("",)
    bounds = segment_bounds(utterance, len(samples), spec)
    if spec.front_end == "mfcc":
        segments = compute_mfcc(samples, bounds, spec.mfcc)
        return _pad(UtteranceFeatures(words, segments.frames, segments.frame_counts), spec.padding)
    if encoded is None:
        raise ValueError(f"the front end {spec.front_end!r} needs encoder states")
    origin = seconds_to_samples(utterance.start_s - encoded.start_s)
    selected = select_frames(bounds + origin, len(encoded.states))
    frames = encoded.states[selected.index]
    if spec.front_end == "both":
        starts = np.clip(selected.starts - origin, 0, max(0, len(samples) - 1))
        frames = np.concatenate((compute_frames(samples, starts, spec.mfcc), frames), axis=1)
    return _pad(UtteranceFeatures(words, frames, selected.counts), spec.padding)


def _pad(features: UtteranceFeatures, padding: Padding) -> UtteranceFeatures:
    """Fill the segments of an utterance with zeros up to its longest one, if so configured.

    Source: Lee, Yoon, Jung 2020, Section 3.1.2: segments are stacked "with zero-padding" to T', the longest of them.
    """
    if padding == "none":
        return features
    counts = features.frame_counts
    longest = int(counts.max())
    padded = np.zeros((len(counts), longest, features.frames.shape[1]), features.frames.dtype)
    padded[np.arange(longest) < counts[:, None]] = features.frames
    return replace(features, frames=padded.reshape(-1, padded.shape[2]), frame_counts=np.full_like(counts, longest))


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
