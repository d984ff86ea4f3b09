"""From analysis results to response schemas."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignment.audio import AudioSource
from alignment.transcripts.normalisation import normalise_word
from alignment.transcripts.words import AlignerInfo, TimedWord
from model.bundle import Bundle
from model.scores import UtteranceScores
from service.inference.engine import EmotionEngine
from service.inference.request import Explain
from service.inference.result import AnalysisResult, ScoredUtterance, mean_probabilities
from service.results import schemas
from service.settings import Settings

_MILLISECOND: Final = 3


def to_response(result: AnalysisResult, engine: EmotionEngine, explain: Explain = "true") -> schemas.PredictOut:
    """Response for a recording."""
    utterances = [to_utterance(scored, engine.bundle, explain) for scored in result.utterances]
    response = assemble_response(
        result.probabilities, utterances, result.source, result.aligner, result.warnings, result.timings_ms, engine
    )
    speakers = to_speakers(result.utterances, engine.bundle)
    return response.model_copy(update={"speakers": speakers}) if speakers else response


def assemble_response(
    probabilities: NDArray[np.float64],
    utterances: list[schemas.UtteranceOut],
    source: AudioSource,
    aligner: AlignerInfo,
    warnings: Sequence[str],
    timings_ms: Mapping[str, float],
    engine: EmotionEngine,
) -> schemas.PredictOut:
    """Response made of utterances that are serialised already, with (classes,) probabilities of the recording."""
    return schemas.PredictOut(
        **_emotion(probabilities, engine.bundle),
        utterances=utterances,
        audio=schemas.AudioOut(
            duration_s=_round(source.duration_s), sample_rate_hz=source.sample_rate_hz, channels=source.channels
        ),
        model=to_model(engine),
        aligner=to_aligner(aligner),
        warnings=list(warnings),
        timings_ms={stage: round(spent, 2) for stage, spent in timings_ms.items()},
    )


def to_speakers(scored: Sequence[ScoredUtterance], bundle: Bundle) -> list[schemas.SpeakerOut]:
    """Every speaker in the order of their names; empty where no speakers were requested."""
    names = sorted({each.utterance.speaker for each in scored if each.utterance.speaker})
    return [_speaker(name, [each for each in scored if each.utterance.speaker == name], bundle) for name in names]


def _speaker(name: str, own: Sequence[ScoredUtterance], bundle: Bundle) -> schemas.SpeakerOut:
    timeline = [schemas.MomentOut(**_span(each), **_emotion(each.scores.probabilities, bundle)) for each in own]
    return schemas.SpeakerOut(
        speaker=name,
        spoken_s=_round(sum(each.utterance.duration_s for each in own)),
        **_emotion(mean_probabilities(own), bundle),
        timeline=timeline,
    )


def to_overall(scored: Sequence[ScoredUtterance], bundle: Bundle) -> dict[str, Any]:
    """Emotion and probabilities of several utterances; null where there are none."""
    if not scored:
        return {"emotion": None, "probabilities": None}
    return _emotion(mean_probabilities(scored), bundle)


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
        temperature=config.temperature,
        vocabulary_words=len(engine.bundle.vocabulary.words),
        features=asdict(config.features),
        network=asdict(config.network),
        aligner=to_aligner(engine.aligner),
        limits=schemas.LimitsOut(max_audio_s=settings.max_audio_s, max_upload_bytes=settings.max_upload_bytes),
    )


def to_utterance(scored: ScoredUtterance, bundle: Bundle, explain: Explain = "true") -> schemas.UtteranceOut:
    """One entry of `utterances`."""
    utterance, scores = scored.utterance, scored.scores
    fields: dict[str, Any] = _span(scored) | {"text": utterance.text} | _emotion(scores.probabilities, bundle)
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
    return schemas.WordOut(
        word=word.word,
        start_s=_round(word.start_s),
        end_s=_round(word.end_s),
        timing=word.timing,
        score=None if word.score is None else round(word.score, 4),
        known=normalise_word(word.word) in bundle.vocabulary,
        guessed_pronunciation=word.guessed_pronunciation,
        text_attention=min(1.0, float(scores.text_attention[index])),
        audio_attention=min(1.0, float(scores.audio_attention[index])),
        contribution=contribution,
        **({"speaker": speaker} if speaker else {}),
    )


def _emotion(probabilities: NDArray[np.float64], bundle: Bundle) -> dict[str, Any]:
    """The fields `emotion` and `probabilities`."""
    emotions = bundle.config.emotions
    return {"emotion": emotions[int(probabilities.argmax())], "probabilities": _by_emotion(emotions, probabilities)}


def _span(scored: ScoredUtterance) -> dict[str, float]:
    return {"start_s": _round(scored.utterance.start_s), "end_s": _round(scored.utterance.end_s)}


def _round(time_s: float) -> float:
    return round(time_s, _MILLISECOND)


def _by_emotion(emotions: Sequence[str], values: NDArray[np.float64]) -> dict[str, float]:
    return {emotion: float(value) for emotion, value in zip(emotions, values, strict=True)}
