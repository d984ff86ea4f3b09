"""From a recording to what a model reads: the only place that composes decoding, alignment and features."""

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
    """Timed words: the caller's own, those of the caller's transcript, or recognised ones.

    Args:
        waveform: the recording.
        aligner: recognises, or aligns `transcript`.
        transcript: what is said; its words are aligned.
        words: what is said and when; nothing is recognised.
        language: for the aligner.

    Raises:
        ValueError: both transcript and words are given.
        AlignmentError: see `Aligner` and `build_given_transcript`.
    """
    if transcript is not None and words is not None:
        raise ValueError("give either a transcript or words")
    if words is not None:
        return build_given_transcript(words, waveform.duration_s)
    if transcript is not None:
        return aligner.align(waveform, transcript, language)
    return aligner.recognise(waveform, language)


def select_transcript(transcript: Transcript, spec: FeatureSpec) -> Transcript:
    """The transcript with the words that the model reads."""
    return replace(transcript, utterances=tuple(select_words(spoken, spec) for spoken in transcript.utterances))


def compute_features(waveform: Waveform, transcript: Transcript, spec: FeatureSpec) -> list[UtteranceFeatures]:
    """Features of every utterance of a recording, in order."""
    return [
        extract_features(waveform.cut(utterance.start_s, utterance.end_s), utterance, spec)
        for utterance in transcript.utterances
    ]
