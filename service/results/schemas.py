"""What goes over the wire, and onto standard output with `--json`."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pandas import DataFrame

Probability = Annotated[float, Field(ge=0, le=1)]
Explain = Literal["true", "false", "full"]


class GivenWord(BaseModel):
    """A word that the caller times."""

    model_config = ConfigDict(extra="ignore")

    word: Annotated[str, Field(min_length=1, max_length=200)]
    start: Annotated[float, Field(description="Seconds from the start of the file.")]
    end: Annotated[float, Field(description="Seconds from the start of the file.")]


class GivenSegment(BaseModel):
    """A stretch of speech that the caller knows."""

    model_config = ConfigDict(extra="ignore")

    start: Annotated[float, Field(description="Seconds from the start of the file.")]
    end: Annotated[float, Field(description="Seconds from the start of the file.")]


class Attribution(BaseModel):
    """A word's share of the predicted class's log-score, minus its mean over classes."""

    text: float
    audio: float


class FullAttribution(BaseModel):
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
    contribution: Attribution | FullAttribution
    speaker: Annotated[str | None, Field(description="Whose it is, where speakers were asked for.")] = None


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
    speaker: Annotated[str | None, Field(description="Whose it is, where speakers were asked for.")] = None


class MomentOut(BaseModel):
    """How somebody sounded, and when."""

    start_s: float
    end_s: float
    emotion: str
    probabilities: dict[str, Probability]


class SpeakerOut(BaseModel):
    """One speaker: the mean of their utterances, by duration, and one utterance after the other."""

    speaker: str
    spoken_s: float
    emotion: str
    probabilities: dict[str, Probability]
    timeline: list[MomentOut]


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
    speakers: Annotated[list[SpeakerOut], Field(description="Each speaker over time, where they were asked for.")] = []

    def to_dataframe(self, name: str = "") -> "DataFrame":
        """A pandas table with a row per word; see `service.results.tables.COLUMNS`.

        Args:
            name: of the recording, for the column `file`.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        from service.results.tables import to_dataframe

        return to_dataframe(name, self)


class LimitsOut(BaseModel):
    """What one request may hold."""

    max_audio_s: float
    max_upload_bytes: int


class ProgressOut(BaseModel):
    """How far a job is."""

    done_s: Annotated[float, Field(description="Seconds of audio that are answered.")]
    total_s: Annotated[float | None, Field(description="Of so many; null until the file has been read through.")]


class JobOut(BaseModel):
    """The answer of POST /jobs and GET /jobs/{id}."""

    id: str
    status: Literal["queued", "running", "done", "failed"]
    created_at: datetime
    expires_at: Annotated[datetime | None, Field(description="When it is forgotten; null until it has ended.")]
    progress: ProgressOut
    result: Annotated[PredictOut | None, Field(description="As POST /predict answers; null until it is done.")] = None
    problem: Annotated["Problem | None", Field(description="Why it failed.")] = None


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
    limits: LimitsOut


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
