"""From analysis results to response schemas."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignment.audio import AudioSource
from alignment.transcripts.normalisation import normalise_word
from alignment.transcripts.words import AlignerInfo, TimedWord
from can_ser_client import schemas
from model.bundle import Bundle
from model.scores import UtteranceScores
from service.inference.engine import EmotionEngine
from service.inference.request import Explain
from service.inference.result import AnalysisResult, ScoredUtterance, mean_probabilities
from service.results.uncertainty import (
    Evidence,
    assess,
    combine_evidence,
    find_evidence,
    warn_of_doubtful_words,
    warn_of_unknown_text,
)
from service.settings import Settings

_MILLISECOND: Final = 3


def to_response(result: AnalysisResult, engine: EmotionEngine, explain: Explain = "true") -> schemas.PredictOut:
    """Response for a recording, with those of further bundles."""
    response = _to_single_response(result, engine.by_bundle[result.bundle], explain)
    others = [to_other(_to_single_response(each, engine.by_bundle[each.bundle], explain)) for each in result.others]
    return response.model_copy(update={"others": others}) if others else response


def to_other(response: schemas.PredictOut) -> schemas.OtherOut:
    """Prediction of a further bundle, without what it shares with that of the first one."""
    fields = response.model_fields_set & schemas.OtherOut.model_fields.keys()
    return schemas.OtherOut.model_construct(fields, **{name: getattr(response, name) for name in fields})


def _to_single_response(result: AnalysisResult, engine: EmotionEngine, explain: Explain) -> schemas.PredictOut:
    utterances = [to_utterance(scored, engine, explain) for scored in result.utterances]
    response = assemble_response(
        result.probabilities,
        _combine(result.utterances, engine.bundle),
        utterances,
        result.source,
        result.aligner,
        result.warnings,
        result.timings_ms,
        engine,
    )
    speakers = to_speakers(result.utterances, engine)
    return response.model_copy(update={"speakers": speakers}) if speakers else response


def assemble_response(
    probabilities: NDArray[np.float64],
    evidence: Evidence,
    utterances: list[schemas.UtteranceOut],
    source: AudioSource,
    aligner: AlignerInfo,
    warnings: Sequence[str],
    timings_ms: Mapping[str, float],
    engine: EmotionEngine,
) -> schemas.PredictOut:
    """Response made of utterances that are serialised already.

    Args:
        probabilities: (classes,) of the recording.
        evidence: Evidence of the recording.
        utterances: At least one.
        source: The decoded file.
        aligner: The engine that provided the words.
        warnings: Warnings of the analysis.
        timings_ms: Time by stage.
        engine: The models.
    """
    return schemas.PredictOut(
        **_estimate(probabilities, evidence, engine),
        utterances=utterances,
        audio=schemas.AudioOut(
            duration_s=_round(source.duration_s), sample_rate_hz=source.sample_rate_hz, channels=source.channels
        ),
        model=to_model(engine),
        aligner=to_aligner(aligner),
        warnings=[*warnings, *warn_of_unknown_text(evidence), *warn_of_doubtful_words(evidence), *engine.notices],
        timings_ms={stage: round(spent, 2) for stage, spent in timings_ms.items()},
    )


def to_speakers(scored: Sequence[ScoredUtterance], engine: EmotionEngine) -> list[schemas.SpeakerOut]:
    """Every speaker in the order of their names; empty where no speakers were requested."""
    names = sorted({each.utterance.speaker for each in scored if each.utterance.speaker})
    return [_speaker(name, [each for each in scored if each.utterance.speaker == name], engine) for name in names]


def _speaker(name: str, own: Sequence[ScoredUtterance], engine: EmotionEngine) -> schemas.SpeakerOut:
    timeline = [schemas.MomentOut(**_span(each), **_estimate_utterance(each, engine)) for each in own]
    return schemas.SpeakerOut(
        speaker=name,
        spoken_s=_round(sum(each.utterance.duration_s for each in own)),
        **_estimate(mean_probabilities(own), _combine(own, engine.bundle), engine),
        timeline=timeline,
    )


def to_overall(scored: Sequence[ScoredUtterance], engine: EmotionEngine) -> dict[str, Any]:
    """Emotion, probabilities and confidence of several utterances; null where there are none."""
    if not scored:
        return dict.fromkeys(("emotion", "probabilities", "confidence", "uncertain")) | {"uncertain_reasons": []}
    return _estimate(mean_probabilities(scored), _combine(scored, engine.bundle), engine)


def warn_of_words(scored: Sequence[ScoredUtterance], engine: EmotionEngine) -> list[str]:
    """Warnings about the words of several utterances together, at least one: most are unknown or doubtful."""
    evidence = _combine(scored, engine.bundle)
    return [*warn_of_unknown_text(evidence), *warn_of_doubtful_words(evidence)]


def to_model(engine: EmotionEngine) -> schemas.ModelOut:
    """The served weights and their execution provider."""
    bundle = engine.bundle
    return schemas.ModelOut(
        name=bundle.config.name,
        version=bundle.version,
        labels=list(bundle.config.emotions),
        trained_on=bundle.config.origin.trained_on,
        licence=bundle.config.origin.licence,
        provider=engine.classifier.provider,
        front_end=bundle.config.features.front_end,
        reason=engine.bundle_reason,
    )


def to_aligner(info: AlignerInfo) -> schemas.AlignerOut:
    """The engine that provided the words."""
    return schemas.AlignerOut(name=info.name, model=info.model, language=info.language, reason=info.reason)


def to_served_model(engine: EmotionEngine, settings: Settings) -> schemas.ServedModelOut:
    """Everything that GET /model returns."""
    config = engine.bundle.config
    return schemas.ServedModelOut(
        **to_model(engine).model_dump(),
        system=config.system,
        vectors=config.origin.vectors,
        created=config.origin.created,
        alpha=config.alpha,
        temperature=config.calibration.temperature,
        temperature_growth=config.calibration.growth,
        vocabulary_words=len(engine.bundle.vocabulary.words),
        features=asdict(config.features),
        network=asdict(config.network),
        aligner=to_aligner(engine.aligner),
        aligner_loaded=engine.aligner_loaded,
        limits=schemas.LimitsOut(max_audio_s=settings.max_audio_s, max_upload_bytes=settings.max_upload_bytes),
        bundles=[to_model(each) for each in engine.by_bundle.values()],
    )


def to_utterance(scored: ScoredUtterance, engine: EmotionEngine, explain: Explain = "true") -> schemas.UtteranceOut:
    """One entry of `utterances`."""
    utterance, scores, bundle = scored.utterance, scored.scores, engine.bundle
    fields: dict[str, Any] = _span(scored) | {"text": utterance.text} | _estimate_utterance(scored, engine)
    if utterance.speaker:
        fields["speaker"] = utterance.speaker
    if explain == "false":
        return schemas.UtteranceOut.model_validate(fields)
    emotions = bundle.config.emotions
    predicted = None if explain == "full" else int(scores.probabilities.argmax())
    fields |= {
        "text_probabilities": _by_emotion(emotions, scores.text_probabilities),
        "audio_probabilities": _by_emotion(emotions, scores.audio_probabilities),
        "bias": _by_emotion(emotions, scores.bias) if predicted is None else float(scores.bias[predicted]),
        "words": [
            _word(word, index, scores, bundle, predicted, utterance.speaker)
            for index, word in enumerate(utterance.words)
        ],
    }
    return schemas.UtteranceOut.model_validate(fields)


def _word(
    word: TimedWord, index: int, scores: UtteranceScores, bundle: Bundle, predicted: int | None, speaker: str | None
) -> schemas.WordOut:
    """A word with contributions to the predicted class, or to all of them where `predicted` is None."""
    text, audio = scores.text_contributions[index], scores.audio_contributions[index]
    emotions = bundle.config.emotions
    contribution: schemas.Attribution | schemas.FullAttribution
    if predicted is None:
        contribution = schemas.FullAttribution(text=_by_emotion(emotions, text), audio=_by_emotion(emotions, audio))
    else:
        contribution = schemas.Attribution(text=float(text[predicted]), audio=float(audio[predicted]))
    optional: dict[str, Any] = {"speaker": speaker} if speaker else {}
    if scores.effects is not None:
        effects = scores.effects
        optional["effect"] = schemas.Effect(text=float(effects.text[index]), audio=float(effects.audio[index]))
    return schemas.WordOut(
        word=word.word,
        start_s=_round(word.start_s),
        end_s=_round(word.end_s),
        timing=word.timing,
        score=None if word.score is None else round(word.score, 4),
        known=normalise_word(word.word) in bundle.vocabulary,
        guessed_pronunciation=word.guessed_pronunciation,
        doubtful=word.doubtful,
        text_attention=min(1.0, float(scores.text_attention[index])),
        audio_attention=min(1.0, float(scores.audio_attention[index])),
        contribution=contribution,
        **optional,
    )


def _estimate_utterance(scored: ScoredUtterance, engine: EmotionEngine) -> dict[str, Any]:
    evidence = find_evidence(scored, engine.bundle.vocabulary)
    return _estimate(scored.scores.probabilities, evidence, engine)


def _estimate(probabilities: NDArray[np.float64], evidence: Evidence, engine: EmotionEngine) -> dict[str, Any]:
    """The fields `emotion`, `probabilities`, `confidence`, `uncertain` and `uncertain_reasons`."""
    emotions = engine.bundle.config.emotions
    by_emotion = _by_emotion(emotions, probabilities)
    emotion = {"emotion": emotions[int(probabilities.argmax())], "probabilities": by_emotion}
    return emotion | assess(by_emotion, evidence, engine.uncertain_below)


def _combine(scored: Sequence[ScoredUtterance], bundle: Bundle) -> Evidence:
    return combine_evidence([find_evidence(each, bundle.vocabulary) for each in scored])


def _span(scored: ScoredUtterance) -> dict[str, float]:
    return {"start_s": _round(scored.utterance.start_s), "end_s": _round(scored.utterance.end_s)}


def _round(time_s: float) -> float:
    return round(time_s, _MILLISECOND)


def _by_emotion(emotions: Sequence[str], values: NDArray[np.float64]) -> dict[str, float]:
    return {emotion: float(value) for emotion, value in zip(emotions, values, strict=True)}
