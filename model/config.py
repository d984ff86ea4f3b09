"""Every choice about the network and its training, as frozen data that is saved with the weights. No torch."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

Heads = Literal["full", "split"]
SegmentDropout = Literal["pooled", "frames"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The Cross Attention Network's shape.

    Attributes:
        embedding_dim: D_e, length of a word vector.
        hidden: units of each LSTM direction; a BLSTM gives 2 · hidden. Deviation: the paper's H ∈ R^(L×D_h) reads as
            128 in all, its text and its group's code as 128 each way.
        heads: "full": every head sees all 2 · hidden values and is exactly Eq. (4) or (5); "split": each sees its own
            part of them.
        head_count: queries per modality.
        dropout: on each BLSTM's output.
        segment_dropout: where the lower audio BLSTM's dropout falls: "pooled", on the vector of each segment, or
            "frames", before pooling.
        pooled_frames: 0 averages a segment over its own frames; otherwise its sum is divided by this number, which is
            the paper's average over segments zero-padded to so many frames.
        n_mfcc: coefficients per frame.
        stop_gradient: the operator sg of Eqs. (7) and (9).
        cross_attention: false leaves c^TA and c^AT out of Eq. (10) (Table 4, last row).
    """

    embedding_dim: PositiveInt = 300
    hidden: PositiveInt = 128
    heads: Heads = "full"
    head_count: PositiveInt = 4
    dropout: Fraction = 0.3
    segment_dropout: SegmentDropout = "pooled"
    pooled_frames: Annotated[int, Field(ge=0)] = 0
    n_mfcc: PositiveInt = 40
    stop_gradient: bool = True
    cross_attention: bool = True

    def __post_init__(self) -> None:
        if self.heads == "split" and 2 * self.hidden % self.head_count:
            raise ValueError(f"{self.head_count} heads cannot share {2 * self.hidden} values (2 · hidden) evenly")


@dataclass(frozen=True, slots=True)
class AugmentationConfig:
    """How training data is varied; all off but word dropout, which trains the unknown word.

    Attributes:
        speeds: factors by which whole utterances are resampled, one drawn per batch (Ko et al. 2015).
        gain_db: standard deviation of a level change per utterance.
        colour: standard deviation, in deviations of each coefficient, of an offset per utterance and coefficient: a
            fixed filter, as another room, microphone or vocal tract is.
        frame_noise: standard deviation of noise on each frame's coefficients.
        segment_dropout: share of segments replaced by the mean frame.
        coefficient_dropout: share of coefficients replaced by their mean throughout an utterance.
        word_dropout: share of words replaced by the unknown word.
    """

    speeds: tuple[Rate, ...] = (1.0,)
    gain_db: Amount = 0.0
    colour: Amount = 0.0
    frame_noise: Amount = 0.0
    segment_dropout: Fraction = 0.0
    coefficient_dropout: Fraction = 0.0
    word_dropout: Fraction = 0.02

    def __post_init__(self) -> None:
        if not self.speeds or self.speeds[0] != 1.0:
            raise ValueError("the first speed must be 1, which is what is tested")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How the network is trained; the defaults are the paper's (Section 4.2) or, where it is silent, the plainest.

    Attributes:
        alpha: weight of L_align in Eq. (14) and of the single modalities in Eq. (15).
        batch_size: utterances.
        learning_rate: of Adam (.9, .999).
        embedding_rate: factor of it for the word vectors; 0 leaves them as they were given.
        weight_decay: decoupled, not on embeddings.
        schedule: "constant", or "cosine" to zero over `max_epochs` after a short warm-up.
        clip_norm: of all gradients together.
        label_smoothing: of every cross-entropy.
        normalise: MFCC to mean 0 and deviation 1 per coefficient over the training frames; the paper does not say.
        averaging: decay per step of an exponential moving average of the weights, which is then what is validated and
            kept; 0 keeps the weights themselves.
        patience: epochs without a better validation accuracy before training stops; 0 never stops early and keeps
            the last weights.
        max_epochs: at most.
        seed: of everything random.
        augmentation: of the data.
    """

    alpha: Amount = 0.1
    batch_size: PositiveInt = 64
    learning_rate: Rate = 1e-3
    embedding_rate: Amount = 1.0
    weight_decay: Amount = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    clip_norm: Rate = 1.0
    label_smoothing: Fraction = 0.0
    normalise: bool = True
    averaging: Fraction = 0.0
    patience: Annotated[int, Field(ge=0)] = 10
    max_epochs: PositiveInt = 100
    seed: Annotated[int, Field(ge=0)] = 0
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
