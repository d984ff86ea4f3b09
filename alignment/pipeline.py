"""Composition of alignment and features, from a waveform to the input of a model."""

from collections.abc import Sequence
from dataclasses import replace

from alignment.aligners.given import build_given_transcript
from alignment.aligners.protocol import Aligner
from alignment.audio import Waveform
from alignment.features.extraction import FeatureSpec, UtteranceFeatures, extract_features, select_words
from alignment.transcripts.words import TimedWord, Transcript


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


def compute_features(waveform: Waveform, transcript: Transcript, spec: FeatureSpec) -> list[UtteranceFeatures]:
    """Compute the features of every utterance of a recording, in order."""
    return [
        extract_features(waveform.cut(utterance.start_s, utterance.end_s), utterance, spec)
        for utterance in transcript.utterances
    ]
