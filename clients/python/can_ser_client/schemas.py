"""Response schemas, which the service itself uses, and their flat form: one row per word."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, FailFast, Field

from can_ser_client.errors import MissingPackageError

if TYPE_CHECKING:
    from pandas import DataFrame

Probability = Annotated[float, Field(ge=0, le=1)]
Confidence = Annotated[float, Field(ge=0, le=1, description="Calibrated probability of the emotion.")]
Uncertain = Annotated[bool, Field(description="Whether the confidence is under CAN_UNCERTAIN_BELOW.")]
# A long response can hold a million mistakes; the first one of a list is reported.
UncertainReasons = Annotated[
    list[str],
    FailFast(),
    Field(description="Reasons why the emotion is uncertain, as far as they are known; else empty."),
]
COLUMNS: Final = (
    "file",
    "utterance",
    "utterance_start_s",
    "utterance_end_s",
    "speaker",
    "emotion",
    "confidence",
    "uncertain",
    "word",
    "start_s",
    "end_s",
    "timing",
    "score",
    "doubtful",
    "known",
    "text_attention",
    "audio_attention",
    "text_contribution",
    "audio_contribution",
)
"""Columns of a word, followed by one column `p_LABEL` per class with the probability of its utterance.

The CSV export of the page has the same columns.
"""


class Attribution(BaseModel):
    """Contribution of the network's states at a word to the log-score of the predicted class, minus its class mean."""

    text: float
    audio: float


class FullAttribution(BaseModel):
    """Contribution of the network's states at a word to the log-score of every class, minus its class mean."""

    text: dict[str, float]
    audio: dict[str, float]


class Effect(BaseModel):
    """Change of the probability of the predicted emotion by a word: with its text, or sound, minus without it."""

    text: float
    audio: float


class WordOut(BaseModel):
    """A word with its times, attention weights and contributions; as text, "(?)" follows a doubtful word."""

    word: str
    start_s: float
    end_s: float
    timing: Literal["aligned", "recognised", "given", "interpolated"]
    score: Annotated[float | None, Field(description="Confidence of the aligner, where it has one.")]
    known: Annotated[bool, Field(description="Whether the vocabulary of the network contains the word.")]
    guessed_pronunciation: bool
    doubtful: Annotated[
        bool, Field(description="Whether the word may not be what is said: low score, or times that were not found.")
    ] = False
    text_attention: Probability
    audio_attention: Probability
    contribution: Attribution | FullAttribution
    effect: Annotated[Effect | None, Field(description="Effect of the word, with `explain=occlusion`.")] = None
    speaker: Annotated[str | None, Field(description="Speaker, where speakers were requested.")] = None

    def contribution_to(self, emotion: str) -> tuple[float, float]:
        """Contributions of text and audio to a class; to the predicted one unless `explain` is "full"."""
        if isinstance(self.contribution, Attribution):
            return self.contribution.text, self.contribution.audio
        return self.contribution.text[emotion], self.contribution.audio[emotion]

    def __str__(self) -> str:
        return f"{self.word or '(no word)'}{' (?)' if self.doubtful else ''}"


class UtteranceOut(BaseModel):
    """An utterance; as text, a line with times, emotion, confidence and words, of which the doubtful are marked."""

    start_s: float
    end_s: float
    text: str
    emotion: str
    probabilities: dict[str, Probability]
    confidence: Confidence
    uncertain: Uncertain
    uncertain_reasons: UncertainReasons = []
    text_probabilities: dict[str, Probability] = {}
    audio_probabilities: dict[str, Probability] = {}
    bias: Annotated[
        float | dict[str, float],
        Field(description="Contribution of the biases; with all contributions it sums to the centred log-probability."),
    ] = 0.0
    words: Annotated[list[WordOut], FailFast()] = []
    speaker: Annotated[str | None, Field(description="Speaker, where speakers were requested.")] = None

    def __str__(self) -> str:
        speaker = f"{self.speaker}: " if self.speaker else ""
        words = " ".join(map(str, self.words)) or self.text
        return f"{self.start_s:.2f} to {self.end_s:.2f} s  {_estimate(self)}  {speaker}{words}"


class MomentOut(BaseModel):
    """Emotion of a speaker in one utterance."""

    start_s: float
    end_s: float
    emotion: str
    probabilities: dict[str, Probability]
    confidence: Confidence
    uncertain: Uncertain
    uncertain_reasons: UncertainReasons = []


class SpeakerOut(BaseModel):
    """One speaker: the mean over their utterances, weighted by duration, and the utterances in order."""

    speaker: str
    spoken_s: float
    emotion: str
    probabilities: dict[str, Probability]
    confidence: Confidence
    uncertain: Uncertain
    uncertain_reasons: UncertainReasons = []
    timeline: Annotated[list[MomentOut], FailFast()]


class AudioOut(BaseModel):
    """Properties of the uploaded file."""

    duration_s: float
    sample_rate_hz: int
    channels: int


class ModelOut(BaseModel):
    """The weights."""

    name: str
    version: str
    labels: Annotated[list[str], FailFast()]
    trained_on: str
    licence: str
    provider: str
    front_end: Annotated[
        str, Field(description="What the network reads of the sound: mfcc, encoder (states of a recogniser) or both.")
    ]
    reason: Annotated[str, Field(description="Why these weights replace the default ones; empty otherwise.")] = ""


class AlignerOut(BaseModel):
    """The engine that provided the words."""

    name: str
    model: str
    language: str
    reason: str


class OtherOut(BaseModel):
    """Prediction of a further bundle for the same words of the same recording."""

    model: ModelOut
    emotion: str
    probabilities: dict[str, Probability]
    confidence: Confidence
    uncertain: Uncertain
    uncertain_reasons: UncertainReasons = []
    utterances: Annotated[list[UtteranceOut], FailFast()]
    warnings: Annotated[list[str], FailFast()]
    speakers: Annotated[list[SpeakerOut], FailFast(), Field(description="As in the response of the first bundle.")] = []


class PredictOut(BaseModel):
    """Response of POST /predict; as text, the emotion with its confidence, a line per utterance, and the warnings."""

    emotion: str
    probabilities: Annotated[
        dict[str, Probability], Field(description="Mean over the utterances, weighted by duration.")
    ]
    confidence: Confidence
    uncertain: Uncertain
    uncertain_reasons: UncertainReasons = []
    utterances: Annotated[list[UtteranceOut], FailFast()]
    audio: AudioOut
    model: ModelOut
    aligner: AlignerOut
    warnings: Annotated[list[str], FailFast()]
    timings_ms: dict[str, float]
    speakers: Annotated[
        list[SpeakerOut],
        FailFast(),
        Field(description="Emotion of each speaker over time, where speakers were requested."),
    ] = []
    others: Annotated[
        list[OtherOut],
        FailFast(),
        Field(description="Predictions of the further bundles of the request, in its order; omitted without any."),
    ] = []

    @property
    def words(self) -> list[WordOut]:
        """Recognised or given words of all utterances; speech without a recognised word is left out."""
        return [word for utterance in self.utterances for word in utterance.words if word.word]

    @property
    def doubtful_words(self) -> list[WordOut]:
        """Those of the words that may not be what is said."""
        return [word for word in self.words if word.doubtful]

    def __str__(self) -> str:
        reasons = [f"not sure: {'; '.join(self.uncertain_reasons)}"] if self.uncertain_reasons else []
        warnings = [f"note: {warning}" for warning in self.warnings]
        return "\n".join([_estimate(self), *reasons, *map(str, self.utterances), *warnings])

    def word_rows(self, name: str = "") -> Iterator[dict[str, Any]]:
        """One dictionary per word, by column; see `COLUMNS`. Contributions are to the emotion of the utterance.

        Args:
            name: Name of the recording, for the column `file`.
        """
        for number, utterance in enumerate(self.utterances, start=1):
            probabilities = {f"p_{label}": utterance.probabilities[label] for label in self.probabilities}
            for word in utterance.words:
                values = (
                    *(name, number, utterance.start_s, utterance.end_s, utterance.speaker),
                    *(utterance.emotion, utterance.confidence, utterance.uncertain),
                    *(word.word, word.start_s, word.end_s, word.timing, word.score),
                    *(word.doubtful, word.known),
                    *(word.text_attention, word.audio_attention, *word.contribution_to(utterance.emotion)),
                )
                yield dict(zip(COLUMNS, values, strict=True)) | probabilities

    def to_dataframe(self, name: str = "") -> "DataFrame":
        """A pandas table of the rows of `word_rows`.

        Args:
            name: Name of the recording, for the column `file`.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ModuleNotFoundError as exc:
            raise MissingPackageError("pandas", "pandas") from exc
        return DataFrame(list(self.word_rows(name)))


def _estimate(estimate: UtteranceOut | PredictOut) -> str:
    """Emotion and confidence, with "?" where the emotion is uncertain."""
    return f"{estimate.emotion}{'?' if estimate.uncertain else ''} {estimate.confidence:.2f}"


class LimitsOut(BaseModel):
    """Limits of one request."""

    max_audio_s: float
    max_upload_bytes: int


class ServedModelOut(ModelOut):
    """Response of GET /model."""

    system: str
    vectors: str
    created: str
    alpha: float
    temperature: Annotated[float, Field(description="Temperature of sound like the training data.")]
    temperature_growth: Annotated[
        float, Field(description="Exponent of the distance from the training data; 0: constant temperature.")
    ]
    vocabulary_words: int
    features: dict[str, object]
    network: dict[str, object]
    aligner: AlignerOut
    aligner_loaded: Annotated[
        bool,
        Field(description="Whether the models of the aligner are in memory; otherwise the next request loads them."),
    ] = True
    limits: LimitsOut
    bundles: Annotated[
        list[ModelOut], Field(description="All served bundles, the default first; `bundle` in a request names one.")
    ] = []


class HealthOut(BaseModel):
    """Response of the health checks."""

    status: Literal["live", "ready"]
    detail: Annotated[
        str | None, Field(description="What is not available, and what the operator can do; omitted without trouble.")
    ] = None


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
