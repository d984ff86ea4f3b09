"""Features of a corpus as flat arrays: the frames of all segments of all utterances, concatenated without padding."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray
from rich.progress import track

from alignment.audio import Waveform, decode_audio
from alignment.errors import AlignmentError
from alignment.features.extraction import FeatureSpec, UtteranceFeatures, select_words
from alignment.pipeline import bring_to_level, choose_encoder, compute_features
from alignment.timing import SAMPLE_RATE_HZ, samples_to_seconds
from alignment.transcripts.words import AlignerInfo, Transcript, Utterance
from model.corpora.records import CorpusUtterance
from model.errors import CorpusFileError

_CHUNK: Final = 32
_CORPUS: Final = AlignerInfo("corpus", "none", "")


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """Features of many utterances.

    Attributes:
        frames: (all frames, frame size) float32, or float16 for encoder states.
        frame_counts: (all segments,) int64.
        segment_counts: (utterances,) int64.
        words: Normalised words of each utterance.
    """

    frames: NDArray[np.float32]
    frame_counts: NDArray[np.int64]
    segment_counts: NDArray[np.int64]
    words: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.segment_counts)


def build_feature_set(
    utterances: Sequence[CorpusUtterance], spec: FeatureSpec, *, speed: float = 1.0, processes: int = 1
) -> FeatureSet:
    """Decode utterances and extract their features in parallel, in order.

    Args:
        utterances: Utterances of a corpus.
        spec: Feature specification.
        speed: Factor by which the audio is resampled first, which raises tempo and pitch (speed perturbation,
            Ko et al. 2015).
        processes: Number of processes; a single one runs in this process.

    Raises:
        CorpusFileError: A wav cannot be decoded.
    """
    chunks = [(utterances[first : first + _CHUNK], spec, speed) for first in range(0, len(utterances), _CHUNK)]
    label = f"features ×{speed:g}" if speed != 1.0 else "features"
    if processes == 1:
        return join_features([part for own in track(map(_extract, chunks), label, len(chunks)) for part in own])
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return join_features([part for own in track(pool.map(_extract, chunks), label, len(chunks)) for part in own])


def join_features(parts: Sequence[UtteranceFeatures]) -> FeatureSet:
    """Concatenate the features of utterances."""
    return FeatureSet(
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.frame_counts for part in parts]),
        np.array([len(part.frame_counts) for part in parts], np.int64),
        tuple(part.words for part in parts),
    )


def _extract(chunk: tuple[Sequence[CorpusUtterance], FeatureSpec, float]) -> list[UtteranceFeatures]:
    utterances, spec, speed = chunk
    return [_features_of(utterance, spec, speed) for utterance in utterances]


def _features_of(utterance: CorpusUtterance, spec: FeatureSpec, speed: float) -> UtteranceFeatures:
    try:
        waveform = decode_audio(utterance.wav.read_bytes())
    except AlignmentError as exc:
        raise CorpusFileError(utterance.wav, None, f"{exc}; or remove it from the corpus") from exc
    spoken = Utterance(0.0, waveform.duration_s, utterance.words)
    if speed != 1.0:
        waveform, spoken = _change_speed(waveform, spoken, speed)
    transcript = Transcript((select_words(spoken, spec),), _CORPUS)
    [features] = compute_features(bring_to_level(waveform, spec), transcript, spec, choose_encoder(spec))
    return replace(features, frames=features.frames.astype(_stored_type(spec), copy=False))


def _stored_type(spec: FeatureSpec) -> type[np.floating]:
    """Half precision for encoder states, of which there are many; they are not larger than some tens."""
    return np.float32 if spec.front_end == "mfcc" else np.float16


def _change_speed(waveform: Waveform, spoken: Utterance, speed: float) -> tuple[Waveform, Utterance]:
    """Resample audio and words to a higher or lower tempo and pitch."""
    resampled = soxr.resample(waveform.samples, SAMPLE_RATE_HZ * speed, SAMPLE_RATE_HZ).astype(np.float32)
    words = tuple(replace(word, start_s=word.start_s / speed, end_s=word.end_s / speed) for word in spoken.words)
    return replace(waveform, samples=resampled), Utterance(0.0, samples_to_seconds(len(resampled)), words)
