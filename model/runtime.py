"""Inference with ONNX Runtime. No torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from alignment.features.extraction import UtteranceFeatures
from alignment.onnx_session import CUDA, Provider, list_providers
from model.bundle import Bundle
from model.errors import BundleDamagedError, ProviderError
from model.graphs import open_graphs
from model.scores import UtteranceScores, final_log_scores, log_softmax

# One LSTM call costs about as much as this many padded (segment, frame) steps per time step: its weights are read once
# per step, independently of the number of segments (`python -m benchmarks.scoring --buckets`).
_STEP_OVERHEAD: Final = 2.0
_CALL_OVERHEAD: Final = 20.0
_LARGEST_CALL: Final = 8_192
_SUM_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class _Outputs:
    """Outputs of can.onnx for utterances padded to the same number of words."""

    joint: NDArray[np.float32]
    text: NDArray[np.float32]
    audio: NDArray[np.float32]
    text_attention: NDArray[np.float32]
    audio_attention: NDArray[np.float32]
    text_contributions: NDArray[np.float32]
    audio_contributions: NDArray[np.float32]
    bias: NDArray[np.float32]


class EmotionClassifier:
    """Scores utterances; thread-safe."""

    calls_at_once = 1
    """Concurrent calls would compete for the same cores."""

    def __init__(self, bundle: Bundle, provider: Provider = "auto", threads: int = 1) -> None:
        """Load both graphs and compare them with the configuration.

        Args:
            bundle: Bundle from `read_bundle`.
            provider: "auto" uses CUDA if it works, else the CPU.
            threads: CPU threads of one call.

        Raises:
            ProviderError: The requested provider is not available.
            BundleDamagedError: See `open_graphs`.
        """
        self.bundle = bundle
        graphs = open_graphs(bundle, _choose_providers(provider), threads)
        self._segments, self._can = graphs.segments, graphs.can
        self.provider: str = self._can.get_providers()[0]
        if provider == "cuda" and self.provider != CUDA:
            raise ProviderError(CUDA, self._can.get_providers())

    def classify(self, utterances: Sequence[UtteranceFeatures]) -> list[UtteranceScores]:
        """Scores of each utterance, in order.

        Utterances may belong to different requests: other utterances of the batch change scores by rounding only.
        """
        if not utterances:
            return []
        vectors = self._encode_segments(utterances)
        word_counts = np.array([len(utterance.words) for utterance in utterances])
        firsts = np.cumsum(word_counts) - word_counts
        scores: list[UtteranceScores | None] = [None] * len(utterances)
        for group in bucket_by_length(word_counts):
            outputs = self._run_can(utterances, group, vectors, firsts, word_counts)
            own = [utterances[index] for index in group]
            for index, score in zip(group, self._score(outputs, own), strict=True):
                scores[index] = score
        return [score for score in scores if score is not None]

    def warm_up(self) -> None:
        """Run the whole path once, on frames of zeros and on frames of the training data.

        Raises:
            BundleDamagedError: The probabilities are not finite, or the contributions do not add up to them.
        """
        normalisation = self.bundle.config.normalisation
        for level in (0.0, 1.0):
            frame = level * (normalisation.mean_frame + np.array(normalisation.std, np.float32))
            frames = np.tile(frame, (6, 1)).astype(np.float32)
            [scores] = self.classify([UtteranceFeatures(("", ""), frames, np.array([2, 4], np.int64))])
            fault = _find_fault(scores)
            if fault:
                raise BundleDamagedError(self.bundle.folder, fault)

    def _encode_segments(self, utterances: Sequence[UtteranceFeatures]) -> NDArray[np.float32]:
        """Vectors of all utterances' segments in order, (segments, members · 2 · hidden)."""
        frames = self.bundle.config.normalisation.apply(np.concatenate([u.frames for u in utterances]))
        counts = np.concatenate([u.frame_counts for u in utterances])
        starts = np.cumsum(counts) - counts
        network = self.bundle.config.network
        vectors = np.empty((len(counts), 2 * network.hidden * network.members), np.float32)
        for group in bucket_by_length(counts):
            vectors[group] = self.encode_padded(pad_frames(frames, starts[group], counts[group]), counts[group])
        return vectors

    def encode_padded(self, frames: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Run segments.onnx once: (segments, longest, frame size), (segments,) → (segments, members · 2 · hidden)."""
        vectors: NDArray[np.float32] = self._segments.run(None, {"frames": frames, "frame_counts": counts})[0]
        return vectors

    def _run_can(
        self,
        utterances: Sequence[UtteranceFeatures],
        group: NDArray[np.int64],
        vectors: NDArray[np.float32],
        firsts: NDArray[np.int64],
        word_counts: NDArray[np.int64],
    ) -> _Outputs:
        counts = word_counts[group]
        position = np.arange(counts.max())
        real = position < counts[:, None]
        index = np.where(real, firsts[group, None] + position + 1, 0)
        words = np.zeros_like(index)
        words[real] = [i for u in group for i in self.bundle.vocabulary.indices(utterances[u].words)]
        inputs = {"vectors": vectors, "segment_index": index, "words": words, "word_counts": counts}
        return _Outputs(*self._can.run(None, inputs))

    def _score(self, outputs: _Outputs, utterances: Sequence[UtteranceFeatures]) -> list[UtteranceScores]:
        """Scores of each row without padding."""
        config = self.bundle.config
        distances = self._measure_distances(utterances)
        temperatures = config.calibration.temperatures(np.ones(len(utterances)) if distances is None else distances)
        final = final_log_scores(outputs.joint, (outputs.text, outputs.audio), config.alpha)
        probabilities = np.exp(log_softmax(final / temperatures[:, None]))
        text, audio = (np.exp(log_softmax(each)) for each in (outputs.text, outputs.audio))
        text_attention = outputs.text_attention.mean(axis=1, dtype=np.float64)
        audio_attention = outputs.audio_attention.mean(axis=1, dtype=np.float64)
        text_contributions = _centre(outputs.text_contributions) / temperatures[:, None, None]
        audio_contributions = _centre(outputs.audio_contributions) / temperatures[:, None, None]
        bias = _centre(outputs.bias)
        return [
            UtteranceScores(
                probabilities=probabilities[row],
                text_probabilities=text[row],
                audio_probabilities=audio[row],
                text_attention=text_attention[row, :words],
                audio_attention=audio_attention[row, :words],
                text_contributions=text_contributions[row, :words],
                audio_contributions=audio_contributions[row, :words],
                bias=bias / temperatures[row],
                temperature=float(temperatures[row]),
                distance=None if distances is None else float(distances[row]),
            )
            for row, words in enumerate(len(utterance.words) for utterance in utterances)
        ]

    def _measure_distances(self, utterances: Sequence[UtteranceFeatures]) -> NDArray[np.float64] | None:
        """Relative distances from the sound of the training data; None if the bundle does not describe it."""
        sound = self.bundle.sound
        if sound is None:
            return None
        distances = sound.distances(np.stack([utterance.frames.mean(axis=0) for utterance in utterances]))
        frames = np.array([len(utterance.frames) for utterance in utterances])
        return self.bundle.config.calibration.relative_distances(distances, frames)


def bucket_by_length(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Group indices by similar length, to limit the padding of each batch.

    From the longest down, a group is extended until its padding costs more than another call, or until it reaches a
    maximum size that bounds memory.

    Args:
        lengths: (items,) at least 1 each.

    Yields:
        Indices, longest first; every index once.
    """
    order = np.argsort(-lengths, kind="stable")
    # Python numbers: numpy scalars are several times as slow in this loop, which holds the interpreter lock.
    descending = lengths[order].tolist()
    first, wasted = 0, 0.0
    for position, length in enumerate(descending):
        wasted += descending[first] - length
        full = (position - first) * descending[first] >= _LARGEST_CALL
        if full or wasted > _CALL_OVERHEAD + _STEP_OVERHEAD * length:
            yield order[first:position]
            first, wasted = position, 0.0
    yield order[first:]


def pad_frames(
    frames: NDArray[np.float32], starts: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Zero-padded segments, (segments, longest, frame size)."""
    position = np.arange(counts.max())
    real = position < counts[:, None]
    padded = np.zeros((*real.shape, frames.shape[1]), np.float32)
    padded[real] = frames[(starts[:, None] + position)[real]]
    return padded


def _find_fault(scores: UtteranceScores) -> str | None:
    """Why scores cannot be those of the network; None for usable ones."""
    if not np.isfinite(scores.probabilities).all():
        return "the network returns probabilities that are not finite"
    logs = np.log(np.maximum(scores.probabilities, np.finfo(np.float64).tiny))
    total = (scores.text_contributions + scores.audio_contributions).sum(axis=0) + scores.bias
    if not np.allclose(total, logs - logs.mean(), rtol=_SUM_TOLERANCE, atol=_SUM_TOLERANCE):
        return "the contributions do not add up to the log-score; alpha is not the one of the graphs"
    return None


def _centre(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shift values to mean 0 over classes; differences between classes are unchanged."""
    wide = values.astype(np.float64)
    centred: NDArray[np.float64] = wide - wide.mean(axis=-1, keepdims=True)
    return centred


def _choose_providers(provider: Provider) -> list[str]:
    providers = list_providers(provider)
    available = onnxruntime.get_available_providers()
    if providers[0] not in available:
        raise ProviderError(providers[0], available)
    return providers
