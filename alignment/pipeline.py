"""Composition of alignment and features, from a waveform to the input of a model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from alignment.aligners.given import build_given_transcript
from alignment.aligners.moonshine.encoder import ENCODER_SHA256, find_encoder
from alignment.aligners.protocol import Aligner
from alignment.audio import Waveform
from alignment.features.encoded import ENCODER_HOP_SAMPLES, SpeechEncoder
from alignment.features.extraction import FeatureSpec, UtteranceFeatures, extract_features, select_words
from alignment.level import normalise_level
from alignment.timing import samples_to_seconds
from alignment.transcripts.words import EncodedSpeech, TimedWord, Transcript, Utterance

# A stretch without so much of the margin of an utterance still holds it.
_MISSING_S: Final = 0.1


def find_words(
    waveform: Waveform,
    aligner: Aligner,
    *,
    transcript: str | None = None,
    words: Sequence[TimedWord] | None = None,
    language: str | None = None,
) -> Transcript:
    """Return timed words: given ones, those of a transcript, or recognised ones.

    Args:
        waveform: Decoded recording.
        aligner: Recognises the words, or aligns `transcript`.
        transcript: Spoken words, to be timed by forced alignment.
        words: Spoken words with their times; the aligner is not used.
        language: Language for the aligner.

    Raises:
        ValueError: Both transcript and words are given.
        AlignmentError: See `Aligner` and `build_given_transcript`.
    """
    if transcript is not None and words is not None:
        raise ValueError("give either a transcript or words")
    if words is not None:
        return build_given_transcript(words, waveform.duration_s)
    if transcript is not None:
        return aligner.align(waveform, transcript, language)
    return aligner.recognise(waveform, language)


def select_transcript(transcript: Transcript, spec: FeatureSpec) -> Transcript:
    """Keep the words of a transcript that the model reads."""
    return replace(transcript, utterances=tuple(select_words(each, spec) for each in transcript.utterances))


def choose_encoder(spec: FeatureSpec, threads: int = 1) -> SpeechEncoder | None:
    """Encoder that the features need, loaded on first use; None for the front end "mfcc".

    Raises:
        EncoderUnavailableError: It is not installed.
    """
    return None if spec.front_end == "mfcc" else find_encoder(spec.encoder_sha256, threads)


def bind_encoder(spec: FeatureSpec) -> FeatureSpec:
    """The specification with the checksum of the installed encoder, where the front end needs one.

    Raises:
        EncoderUnavailableError: It is not installed.
    """
    if spec.front_end == "mfcc":
        return spec
    find_encoder()
    return replace(spec, encoder_sha256=ENCODER_SHA256)


def bring_to_level(waveform: Waveform, spec: FeatureSpec) -> Waveform:
    """Bring the spoken part of a recording, without its constant offset, to the level that the features require."""
    if spec.level_db is None:
        return waveform
    centred = waveform.samples - waveform.samples.mean(dtype=np.float64).astype(np.float32)
    return replace(waveform, samples=normalise_level(centred, spec.level_db))


def compute_features(
    waveform: Waveform, transcript: Transcript, spec: FeatureSpec, encoder: SpeechEncoder | None = None
) -> list[UtteranceFeatures]:
    """Compute the features of every utterance of a recording, in order.

    Args:
        waveform: Recording from `bring_to_level`.
        transcript: Its words. Encoder states that recognition has left in it are used again.
        spec: Segmentation and front end.
        encoder: Encoder of `spec.encoder_sha256`; not used by the front end "mfcc".
    """
    return [
        extract_features(
            waveform.cut(utterance.start_s, utterance.end_s),
            utterance,
            spec,
            None if encoder is None else _find_encoded(waveform, utterance, transcript, encoder),
        )
        for utterance in transcript.utterances
    ]


def _find_encoded(
    waveform: Waveform, utterance: Utterance, transcript: Transcript, encoder: SpeechEncoder
) -> EncodedSpeech:
    """States of the stretch that holds an utterance; without one, the utterance is encoded."""
    for encoded in transcript.encoded:
        end_s = encoded.start_s + samples_to_seconds(len(encoded.states) * ENCODER_HOP_SAMPLES)
        if encoded.start_s <= utterance.start_s + _MISSING_S and utterance.end_s <= end_s + _MISSING_S:
            return encoded
    return EncodedSpeech(utterance.start_s, encoder.encode(waveform.cut(utterance.start_s, utterance.end_s)))
