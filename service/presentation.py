"""From an analysis to what is sent."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from alignment.normalisation import normalise_word
from alignment.words import AlignerInfo, TimedWord, Utterance
from model.bundle import Bundle
from model.contract import UtteranceScores
from service.engine import Analysis, EmotionEngine
from service.schemas import (
    AlignerOut,
    AudioOut,
    Explain,
    FullShare,
    ModelOut,
    PredictOut,
    ServedModelOut,
    Share,
    UtteranceOut,
    WordOut,
)

_MILLISECOND = 3


def present(analysis: Analysis, engine: EmotionEngine, explain: Explain = "true") -> PredictOut:
    """The answer to a request."""
    emotions = engine.bundle.config.emotions
    overall = analysis.probabilities
    source = analysis.waveform.source
    return PredictOut(
        emotion=emotions[int(overall.argmax())],
        probabilities=_by_emotion(emotions, overall),
        utterances=[
            _present_utterance(utterance, scores, engine.bundle, explain)
            for utterance, scores in zip(analysis.transcript.utterances, analysis.scores, strict=True)
        ],
        audio=AudioOut(
            duration_s=round(source.duration_s, _MILLISECOND),
            sample_rate_hz=source.sample_rate_hz,
            channels=source.channels,
        ),
        model=present_model(engine),
        aligner=present_aligner(analysis.transcript.aligner),
        warnings=[*analysis.waveform.warnings, *analysis.transcript.warnings],
        timings_ms={stage: round(spent, 2) for stage, spent in analysis.timings_ms.items()},
    )


def present_model(engine: EmotionEngine) -> ModelOut:
    """Which weights answer, and where they run."""
    bundle = engine.bundle
    return ModelOut(
        name=bundle.config.name,
        version=bundle.version,
        labels=list(bundle.config.emotions),
        trained_on=bundle.config.origin.trained_on,
        licence=bundle.config.origin.licence,
        provider=engine.classifier.provider,
    )


def present_aligner(info: AlignerInfo) -> AlignerOut:
    """Who finds the words."""
    return AlignerOut(name=info.name, model=info.model, language=info.language, reason=info.reason)


def present_served(engine: EmotionEngine) -> ServedModelOut:
    """Everything about what is served."""
    config = engine.bundle.config
    return ServedModelOut(
        **present_model(engine).model_dump(),
        system=config.system,
        vectors=config.origin.vectors,
        created=config.origin.created,
        alpha=config.alpha,
        temperature=config.temperature,
        vocabulary_words=len(engine.bundle.vocabulary.words),
        features=asdict(config.features),
        network=asdict(config.network),
        aligner=present_aligner(engine.aligner),
    )


def _present_utterance(utterance: Utterance, scores: UtteranceScores, bundle: Bundle, explain: Explain) -> UtteranceOut:
    emotions = bundle.config.emotions
    best = int(scores.probabilities.argmax())
    facts = {
        "start_s": round(utterance.start_s, _MILLISECOND),
        "end_s": round(utterance.end_s, _MILLISECOND),
        "text": utterance.text,
        "emotion": emotions[best],
        "probabilities": _by_emotion(emotions, scores.probabilities),
    }
    if explain == "false":
        return UtteranceOut.model_validate(facts)
    full = explain == "full"
    return UtteranceOut.model_validate(
        facts
        | {
            "text_probabilities": _by_emotion(emotions, scores.text_probabilities),
            "audio_probabilities": _by_emotion(emotions, scores.audio_probabilities),
            "bias": _by_emotion(emotions, scores.bias) if full else float(scores.bias[best]),
            "words": [
                _present_word(word, index, scores, bundle, None if full else best)
                for index, word in enumerate(utterance.words)
            ],
        }
    )


def _present_word(
    word: TimedWord, index: int, scores: UtteranceScores, bundle: Bundle, only_class: int | None
) -> WordOut:
    text, audio = scores.text_contributions[index], scores.audio_contributions[index]
    emotions = bundle.config.emotions
    share: Share | FullShare
    if only_class is None:
        share = FullShare(text=_by_emotion(emotions, text), audio=_by_emotion(emotions, audio))
    else:
        share = Share(text=float(text[only_class]), audio=float(audio[only_class]))
    return WordOut(
        word=word.word,
        start_s=round(word.start_s, _MILLISECOND),
        end_s=round(word.end_s, _MILLISECOND),
        timing=word.timing,
        score=None if word.score is None else round(word.score, 4),
        known=normalise_word(word.word) in bundle.vocabulary,
        guessed_pronunciation=word.guessed_pronunciation,
        text_attention=min(1.0, float(scores.text_attention[index])),
        audio_attention=min(1.0, float(scores.audio_attention[index])),
        contribution=share,
    )


def _by_emotion(emotions: Sequence[str], values: NDArray[np.float64]) -> dict[str, float]:
    return {emotion: float(value) for emotion, value in zip(emotions, values, strict=True)}
