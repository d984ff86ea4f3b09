"""Features of utterances that are a span of their recording, computed as for a request to the service.

The recording is brought to its level as a whole, and silence before and after the span is not part of the first and the
last word. `model.data.features` takes whole recordings, as the paper does.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from typing import Final

import numpy as np
import soxr
from rich.progress import track

from alignment.audio import decode_audio
from alignment.errors import AlignmentError
from alignment.features.extraction import FeatureSpec, UtteranceFeatures
from alignment.pipeline import bring_to_level, choose_encoder, compute_features, select_transcript
from alignment.timing import SAMPLE_RATE_HZ
from alignment.transcripts.words import AlignerInfo, Transcript, Utterance
from model.corpora.records import CorpusUtterance
from model.data.features import FeatureSet, join_features
from model.errors import CorpusFileError

_CHUNK: Final = 32
_TABLE: Final = AlignerInfo("table", "none", "")


def build_spanned_set(
    utterances: Sequence[CorpusUtterance], spec: FeatureSpec, *, speed: float = 1.0, processes: int = 1
) -> FeatureSet:
    """Decode recordings and extract the features of their spans, in order.

    Args:
        utterances: Utterances with a span.
        spec: Feature specification.
        speed: Factor by which the audio is resampled first; see `model.data.features.build_feature_set`.
        processes: Number of processes; a single one runs in this process.

    Raises:
        CorpusFileError: A recording cannot be decoded.
    """
    extract = partial(_features_of, spec=spec, speed=speed)
    label = f"features ×{speed:g}" if speed != 1.0 else "features"
    if processes == 1:
        return join_features(list(track(map(extract, utterances), label, len(utterances))))
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        return join_features(list(track(pool.map(extract, utterances, chunksize=_CHUNK), label, len(utterances))))


def _features_of(utterance: CorpusUtterance, spec: FeatureSpec, speed: float) -> UtteranceFeatures:
    try:
        waveform = decode_audio(utterance.wav.read_bytes())
    except AlignmentError as exc:
        raise CorpusFileError(utterance.wav, None, f"{exc}; or remove it from the corpus") from exc
    start_s, end_s = utterance.span or (0.0, waveform.duration_s)
    words = utterance.words
    if speed != 1.0:
        samples = soxr.resample(waveform.samples, SAMPLE_RATE_HZ * speed, SAMPLE_RATE_HZ).astype(np.float32)
        waveform, start_s, end_s = replace(waveform, samples=samples), start_s / speed, end_s / speed
        words = tuple(replace(word, start_s=word.start_s / speed, end_s=word.end_s / speed) for word in words)
    transcript = select_transcript(Transcript((Utterance(start_s, end_s, words),), _TABLE), spec)
    [features] = compute_features(bring_to_level(waveform, spec), transcript, spec, choose_encoder(spec))
    # Half precision for encoder states, as in `model.data.features`.
    stored = np.float32 if spec.front_end == "mfcc" else np.float16
    return replace(features, frames=features.frames.astype(stored, copy=False))
