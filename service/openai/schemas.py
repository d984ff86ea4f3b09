"""Responses in OpenAI's form; the fields after those of OpenAI are extensions, which its clients keep."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from can_ser_client.schemas import Attribution, Confidence, Probability, Uncertain, UncertainReasons

Speaker = Annotated[str | None, Field(description="Speaker, where speakers were requested.")]


class ModelCardOut(BaseModel):
    """A model, with the facts of the weights that it stands for."""

    id: str
    object: Literal["model"] = "model"
    created: Annotated[int, Field(description="When the weights were made, in seconds since 1970.")]
    owned_by: str
    bundle: Annotated[str, Field(description="Name of the weights.")]
    version: str
    labels: Annotated[list[str], Field(description="The emotions.")]
    licence: str
    trained_on: str
    front_end: str


class ModelListOut(BaseModel):
    """Response of GET /v1/models."""

    object: Literal["list"] = "list"
    data: list[ModelCardOut]


class UsageOut(BaseModel):
    """Duration of the recording, in whole seconds, rounded up."""

    type: Literal["duration"] = "duration"
    seconds: int


class EstimateOut(BaseModel):
    """Emotion of a recording, an utterance or the utterance of a word; null where there is no speech."""

    emotion: str | None = None
    probabilities: dict[str, Probability] = {}
    confidence: Confidence | None = None
    uncertain: Uncertain | None = None
    uncertain_reasons: UncertainReasons = []


class RecordingOut(EstimateOut):
    """Extensions of the response for a recording."""

    warnings: list[str] = []


# OpenAI's fields are bases of their own, so that they come first.
class _Word(BaseModel):
    word: str
    start: float
    end: float


class TranscriptionWordOut(EstimateOut, _Word):
    """A word; the emotion is that of its utterance."""

    score: Annotated[float | None, Field(description="Confidence of the aligner, where it has one.")] = None
    doubtful: Annotated[bool, Field(description="Whether the word may not be what is said.")] = False
    contribution: Attribution | None = None
    speaker: Speaker = None


class _Segment(BaseModel):
    id: int
    seek: Annotated[int, Field(description="Always 0.")] = 0
    start: float
    end: float
    text: Annotated[str, Field(description="With a space before the first word.")]
    tokens: Annotated[list[int], Field(description="Always empty.")] = []
    temperature: Annotated[float, Field(description="Always 0.")] = 0.0
    avg_logprob: Annotated[float, Field(description="Mean logarithm of the words' scores; 0 without scores.")]
    compression_ratio: Annotated[float, Field(description="Length of the text divided by its length after zlib.")]
    no_speech_prob: Annotated[float, Field(description="Always 0: utterances are speech that was detected.")] = 0.0


class SegmentOut(EstimateOut, _Segment):
    """An utterance. Nothing is known about tokens, so that their fields are neutral."""

    text_probabilities: dict[str, Probability] = {}
    audio_probabilities: dict[str, Probability] = {}
    speaker: Speaker = None


class _DiarizedSegment(BaseModel):
    type: Literal["transcript.text.segment"] = "transcript.text.segment"
    id: str
    start: float
    end: float
    text: str
    speaker: str


class DiarizedSegmentOut(EstimateOut, _DiarizedSegment):
    """An utterance with its speaker; also the event `transcript.text.segment`."""


class _Transcription(BaseModel):
    text: str
    usage: UsageOut


class TranscriptionOut(RecordingOut, _Transcription):
    """Response with `response_format=json`."""


class _VerboseTranscription(_Transcription):
    task: Literal["transcribe"] = "transcribe"
    language: Annotated[str, Field(description="Name of the language in English: `english`.")]
    duration: float
    segments: list[SegmentOut] | None = None
    words: list[TranscriptionWordOut] | None = None


class VerboseTranscriptionOut(RecordingOut, _VerboseTranscription):
    """Response with `response_format=verbose_json`."""


class _DiarizedTranscription(_Transcription):
    task: Literal["transcribe"] = "transcribe"
    duration: float
    segments: list[DiarizedSegmentOut]


class DiarizedTranscriptionOut(RecordingOut, _DiarizedTranscription):
    """Response with `response_format=diarized_json`."""


class _Delta(BaseModel):
    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: str
    segment_id: str


class DeltaOut(EstimateOut, _Delta):
    """The event `transcript.text.delta`: an utterance as soon as it is scored."""

    start: float
    end: float
    speaker: Speaker = None


class _Done(_Transcription):
    type: Literal["transcript.text.done"] = "transcript.text.done"


class DoneOut(RecordingOut, _Done):
    """The event `transcript.text.done`."""


class OpenAiErrorOut(BaseModel):
    """An error.

    Attributes:
        message: What was wrong, and what to do.
        type: Kind of the error.
        param: Field that it is about, where there is one.
        code: OpenAI's code where it has one, else that of the problem document.
    """

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAiErrorBody(BaseModel):
    """Body of every error of these paths."""

    error: OpenAiErrorOut
