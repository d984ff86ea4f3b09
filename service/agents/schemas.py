"""Results of the tools, in the words of a reader who knows nothing about the network."""

from typing import Annotated

from pydantic import BaseModel, Field

from can_ser_client.schemas import ModelOut, PredictOut, SpeakerOut, UtteranceOut, WordOut


class EmotionOut(BaseModel):
    """An emotion and its certainty."""

    emotion: str
    confidence: Annotated[float, Field(description="Calibrated probability of the emotion, 0 to 1.")]
    uncertain: Annotated[bool, Field(description='Whether "not sure" is the better answer.')]
    uncertain_reasons: list[str]
    probabilities: Annotated[dict[str, float], Field(description="Probability of every emotion.")]


class HeardUtterance(EmotionOut):
    """An utterance of a recording."""

    number: Annotated[int, Field(description="1, 2, …; for explain_utterance.")]
    start_s: float
    end_s: float
    speaker: Annotated[str | None, Field(description="Speaker, where speakers were requested.")]
    text: str


class SpeakerSummary(EmotionOut):
    """Emotion of one speaker over the whole recording."""

    speaker: str
    spoken_s: float


class AnalysedRecording(EmotionOut):
    """Result of analyse_recording; the emotion is that of the whole recording."""

    path: str
    duration_s: float
    utterances: list[HeardUtterance]
    speakers: list[SpeakerSummary]
    warnings: list[str]
    model: Annotated[str, Field(description="Weights that gave the result, and what they were trained on.")]


class ExplainedWord(BaseModel):
    """A word and its part in the result.

    A contribution is to the log-score of the emotion, relative to the mean over all emotions: positive supports it.
    """

    word: str
    start_s: float
    end_s: float
    text_contribution: Annotated[float, Field(description="Contribution of what the word means.")]
    audio_contribution: Annotated[float, Field(description="Contribution of how the word sounds.")]
    text_effect: Annotated[
        float | None, Field(description="Change of the probability by the text of the word; null unless requested.")
    ]
    audio_effect: Annotated[
        float | None, Field(description="Change of the probability by the sound of the word; null unless requested.")
    ]


class ExplainedUtterance(HeardUtterance):
    """Result of explain_utterance."""

    summary: Annotated[str, Field(description="The explanation as sentences.")]
    text_alone: Annotated[dict[str, float], Field(description="Probabilities from the words alone.")]
    audio_alone: Annotated[dict[str, float], Field(description="Probabilities from the sound alone.")]
    words: list[ExplainedWord]


class ListedRecordings(BaseModel):
    """Result of list_recordings."""

    folders: list[str]
    recordings: list[str]
    complete: Annotated[bool, Field(description="False where there are more recordings than are listed.")]
    left_out: Annotated[list[str], Field(description="Folders that cannot be read, up to 20, with the reason.")]


class ListedBundle(BaseModel):
    """Weights that can be served."""

    name: str
    version: str
    emotions: list[str]
    front_end: Annotated[str, Field(description="What the network reads of the sound: mfcc, encoder or both.")]
    trained_on: str
    licence: str
    served: Annotated[bool, Field(description="Whether the results of this server come from these weights.")]


class ListedBundles(BaseModel):
    """Result of list_bundles."""

    bundles: list[ListedBundle]


def to_bundle(model: ModelOut, *, served: bool) -> ListedBundle:
    """Weights of a list."""
    names = ("name", "version", "front_end", "trained_on", "licence")
    return ListedBundle(emotions=model.labels, served=served, **{name: getattr(model, name) for name in names})


def to_recording(path: str, response: PredictOut) -> AnalysedRecording:
    """Result for a recording, without words."""
    return AnalysedRecording(
        path=path,
        duration_s=response.audio.duration_s,
        **_emotion(response),
        utterances=[to_utterance(number, each) for number, each in enumerate(response.utterances, start=1)],
        speakers=[
            SpeakerSummary(speaker=each.speaker, spoken_s=each.spoken_s, **_emotion(each)) for each in response.speakers
        ],
        warnings=response.warnings,
        model=f"{response.model.name} {response.model.version}, trained on {response.model.trained_on}",
    )


def to_utterance(number: int, utterance: UtteranceOut) -> HeardUtterance:
    """An utterance without words."""
    return HeardUtterance(
        number=number,
        start_s=utterance.start_s,
        end_s=utterance.end_s,
        speaker=utterance.speaker,
        text=utterance.text,
        **_emotion(utterance),
    )


def to_explanation(number: int, utterance: UtteranceOut) -> ExplainedUtterance:
    """An utterance with the part of each of its words in the result."""
    words = [_explain(word, utterance.emotion) for word in utterance.words]
    return ExplainedUtterance(
        **to_utterance(number, utterance).model_dump(),
        summary=_summarise(utterance, words),
        text_alone=utterance.text_probabilities,
        audio_alone=utterance.audio_probabilities,
        words=words,
    )


def _emotion(source: PredictOut | UtteranceOut | SpeakerOut) -> dict[str, object]:
    return {name: getattr(source, name) for name in EmotionOut.model_fields}


def _explain(word: WordOut, emotion: str) -> ExplainedWord:
    text, audio = word.contribution_to(emotion)
    return ExplainedWord(
        word=word.word,
        start_s=word.start_s,
        end_s=word.end_s,
        text_contribution=text,
        audio_contribution=audio,
        text_effect=word.effect and word.effect.text,
        audio_effect=word.effect and word.effect.audio,
    )


def _summarise(utterance: UtteranceOut, words: list[ExplainedWord]) -> str:
    """Sentences about the alternatives, about text and sound alone, and about the words that contribute most."""
    ranked = sorted(utterance.probabilities.items(), key=lambda pair: -pair[1])[:3]
    sentences = [f"{utterance.emotion} ({', '.join(f'{name} {value:.2f}' for name, value in ranked)})."]
    for name, alone in (("words", utterance.text_probabilities), ("sound", utterance.audio_probabilities)):
        if alone:
            best = max(alone, key=lambda label: alone[label])
            sentences.append(f"From the {name} alone: {best} ({alone[best]:.2f}).")
    strongest = sorted(words, key=lambda word: -(word.text_contribution + word.audio_contribution))[:3]
    if strongest:
        named = ", ".join(
            f"“{each.word}” (text {each.text_contribution:+.2f}, sound {each.audio_contribution:+.2f})"
            for each in strongest
        )
        sentences.append(f"Words that support it most: {named}.")
    if utterance.uncertain:
        sentences.append(f"Uncertain: {'; '.join(utterance.uncertain_reasons) or 'no emotion is clearly more likely'}.")
    return " ".join(sentences)
