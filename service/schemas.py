"""What goes over the wire, and onto standard output with `--json`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
Explain = Literal["true", "false", "full"]


class GivenWord(BaseModel):
    """A word that the caller times."""

    model_config = ConfigDict(extra="ignore")

    word: Annotated[str, Field(min_length=1, max_length=200)]
    start: Annotated[float, Field(description="Seconds from the start of the file.")]
    end: Annotated[float, Field(description="Seconds from the start of the file.")]


class Share(BaseModel):
    """A word's share of the predicted class's log-score, minus its mean over classes."""

    text: float
    audio: float


class FullShare(BaseModel):
    """The same for every class."""

    text: dict[str, float]
    audio: dict[str, float]


class WordOut(BaseModel):
    """A word, where it was, where the network looked, and what that did."""

    word: str
    start_s: float
    end_s: float
    timing: Literal["aligned", "recognised", "given", "interpolated"]
    score: Annotated[float | None, Field(description="The aligner's own confidence, where it has one.")]
    known: Annotated[bool, Field(description="Whether the network has a vector for it.")]
    guessed_pronunciation: bool
    text_attention: Probability
    audio_attention: Probability
    contribution: Share | FullShare


class UtteranceOut(BaseModel):
    """A stretch of speech."""

    start_s: float
    end_s: float
    text: str
    emotion: str
    probabilities: dict[str, Probability]
    text_probabilities: dict[str, Probability] = {}
    audio_probabilities: dict[str, Probability] = {}
    bias: Annotated[
        float | dict[str, float],
        Field(description="What no word contributes; with all contributions it sums to the centred log-probability."),
    ] = 0.0
    words: list[WordOut] = []


class AudioOut(BaseModel):
    """The file as it came."""

    duration_s: float
    sample_rate_hz: int
    channels: int


class ModelOut(BaseModel):
    """Which weights answered."""

    name: str
    version: str
    labels: list[str]
    trained_on: str
    licence: str
    provider: str


class AlignerOut(BaseModel):
    """Who found the words."""

    name: str
    model: str
    language: str
    reason: str


class PredictOut(BaseModel):
    """The answer of POST /predict."""

    emotion: str
    probabilities: Annotated[dict[str, Probability], Field(description="Mean of the utterances', by duration.")]
    utterances: list[UtteranceOut]
    audio: AudioOut
    model: ModelOut
    aligner: AlignerOut
    warnings: list[str]
    timings_ms: dict[str, float]


class ServedModelOut(ModelOut):
    """The answer of GET /model."""

    system: str
    vectors: str
    created: str
    alpha: float
    temperature: float
    vocabulary_words: int
    features: dict[str, object]
    network: dict[str, object]
    aligner: AlignerOut


class HealthOut(BaseModel):
    """The answer of the health checks."""

    status: Literal["live", "ready"]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
