"""From an analysis to what is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignment.audio import AudioSource
from alignment.transcripts.normalisation import normalise_word
from alignment.transcripts.words import AlignerInfo, TimedWord
from model.bundle import Bundle
from model.scores import UtteranceScores
from service.inference.engine import EmotionEngine
from service.inference.result import Analysis, ScoredUtterance, mean_probabilities
from service.results.schemas import (
    AlignerOut,
    Attribution,
    AudioOut,
    Explain,
    FullAttribution,
    LimitsOut,
    ModelOut,
    MomentOut,
    PredictOut,
    ServedModelOut,
    SpeakerOut,
    UtteranceOut,
    WordOut,
)
from service.settings import Settings

_MILLISECOND = 3


def present(analysis: Analysis, engine: EmotionEngine, explain: Explain = "true") -> PredictOut:
    """The answer to a request."""
    told = [present_utterance(scored, engine.bundle, explain) for scored in analysis.utterances]
    whole = present_whole(
        analysis.probabilities, told, analysis.source, analysis.aligner, analysis.warnings, analysis.timings_ms, engine
    )
    speakers = present_speakers(analysis.utterances, engine.bundle)
    return whole.model_copy(update={"speakers": speakers}) if speakers else whole


def present_speakers(scored: Sequence[ScoredUtterance], bundle: Bundle) -> list[SpeakerOut]:
    """Every speaker over time, in the order of their names; none where nobody asked for them."""
    names = sorted({each.utterance.speaker for each in scored if each.utterance.speaker})
    emotions = bundle.config.emotions
    told = []
    for name in names:
        own = [each for each in scored if each.utterance.speaker == name]
        overall = mean_probabilities(own)
        told.append(
            SpeakerOut(
                speaker=name,
                spoken_s=round(sum(each.utterance.duration_s for each in own), _MILLISECOND),
                emotion=emotions[int(overall.argmax())],
                probabilities=_by_emotion(emotions, overall),
                timeline=[_present_moment(each, emotions) for each in own],
            )
        )
    return told


def _present_moment(scored: ScoredUtterance, emotions: Sequence[str]) -> MomentOut:
    probabilities = scored.scores.probabilities
    return MomentOut(
        start_s=round(scored.utterance.start_s, _MILLISECOND),
        end_s=round(scored.utterance.end_s, _MILLISECOND),
        emotion=emotions[int(probabilities.argmax())],
        probabilities=_by_emotion(emotions, probabilities),
    )


def present_whole(
    probabilities: NDArray[np.float64],
    utterances: list[UtteranceOut],
    source: AudioSource,
    aligner: AlignerInfo,
    warnings: Sequence[str],
    timings_ms: Mapping[str, float],
    engine: EmotionEngine,
) -> PredictOut:
    """The answer made of utterances that are presented already."""
    emotions = engine.bundle.config.emotions
    return PredictOut(
        emotion=emotions[int(probabilities.argmax())],
        probabilities=_by_emotion(emotions, probabilities),
        utterances=utterances,
        audio=AudioOut(
            duration_s=round(source.duration_s, _MILLISECOND),
            sample_rate_hz=source.sample_rate_hz,
            channels=source.channels,
        ),
        model=present_model(engine),
        aligner=present_aligner(aligner),
        warnings=list(warnings),
        timings_ms={stage: round(spent, 2) for stage, spent in timings_ms.items()},
    )


def present_overall(scored: Sequence[ScoredUtterance], engine: EmotionEngine) -> dict[str, Any]:
    """Emotion and probabilities of several utterances together; null where there are none."""
    if not scored:
        return {"emotion": None, "probabilities": None}
    emotions, overall = engine.bundle.config.emotions, mean_probabilities(scored)
    return {"emotion": emotions[int(overall.argmax())], "probabilities": _by_emotion(emotions, overall)}


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


def present_served(engine: EmotionEngine, settings: Settings) -> ServedModelOut:
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
        limits=LimitsOut(max_audio_s=settings.max_audio_s, max_upload_bytes=settings.max_upload_bytes),
    )


def present_utterance(scored: ScoredUtterance, bundle: Bundle, explain: Explain = "true") -> UtteranceOut:
    """One entry of the answer's utterances."""
    utterance, scores = scored.utterance, scored.scores
    emotions = bundle.config.emotions
    best = int(scores.probabilities.argmax())
    facts = {
        "start_s": round(utterance.start_s, _MILLISECOND),
        "end_s": round(utterance.end_s, _MILLISECOND),
        "text": utterance.text,
        "emotion": emotions[best],
        "probabilities": _by_emotion(emotions, scores.probabilities),
    }
    if utterance.speaker:
        facts["speaker"] = utterance.speaker
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
                _present_word(word, index, scores, bundle, None if full else best, utterance.speaker)
                for index, word in enumerate(utterance.words)
            ],
        }
    )


def _present_word(
    word: TimedWord,
    index: int,
    scores: UtteranceScores,
    bundle: Bundle,
    only_class: int | None,
    speaker: str | None,
) -> WordOut:
    text, audio = scores.text_contributions[index], scores.audio_contributions[index]
    emotions = bundle.config.emotions
    share: Attribution | FullAttribution
    if only_class is None:
        share = FullAttribution(text=_by_emotion(emotions, text), audio=_by_emotion(emotions, audio))
    else:
        share = Attribution(text=float(text[only_class]), audio=float(audio[only_class]))
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
        **({"speaker": speaker} if speaker else {}),
    )


def _by_emotion(emotions: Sequence[str], values: NDArray[np.float64]) -> dict[str, float]:
    return {emotion: float(value) for emotion, value in zip(emotions, values, strict=True)}
