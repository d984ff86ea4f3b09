"""Configuration of the network and its training, as frozen data that is saved with the weights. No torch."""

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import Field, PositiveInt

Heads = Literal["full", "split", "projected"]
SegmentDropout = Literal["pooled", "frames"]
SegmentPooling = Literal["blstm", "statistics"]
FoldsName = Literal["10", "session", "loso", "loso-next", "speaker"]
FOLDS_HELP: Final = (
    "10: random, as the paper; session: each session is left out, one of its two speakers validates, the other tests; "
    "loso: each session tests, a tenth of the others validates; loso-next: each session tests, the next one validates; "
    "speaker: each speaker tests, another one validates"
)
"""Protocols of `model.data.protocols.choose_folds`."""
Fraction = Annotated[float, Field(ge=0, lt=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Shape of the Cross Attention Network.

    Attributes:
        embedding_dim: D_e, length of a word vector.
        hidden: Units of each LSTM direction; the output of a BLSTM has 2 · hidden values. Deviation: the paper's
            H ∈ R^(L×D_h) reads as 128 in all, its text and its group's code as 128 per direction.
        heads: "full": every head reads all 2 · hidden values, exactly as in Eqs. (4) and (5); "split": every head reads
            its own part of them; "projected": every head has its own projections to keys and values of a quarter of the
            size (with four heads), as in the multi-head attention of Vaswani et al. 2017, which the paper cites.
        head_count: Queries per modality.
        dropout: Dropout on the output of each BLSTM.
        segment_dropout: Position of the lower audio BLSTM's dropout: "pooled", on the vector of each segment, or
            "frames", before pooling.
        pooled_frames: 0 averages a segment over its own frames; otherwise the sum is divided by this number, which is
            the paper's average over segments zero-padded to this number of frames.
        frame_size: Values per frame.
        segment_pooling: "blstm", the lower audio BLSTM and the mean of its states; "statistics", mean and standard
            deviation of a segment's frames, then one linear layer. Deviation: the paper has the BLSTM; the states of a
            recogniser's encoder carry context already, and a BLSTM over them learns the training speakers.
        input_dropout: Share of the statistics of a segment that are dropped in training; with "blstm" of no effect.
        input_noise: Standard deviation of noise on the statistics in training; with "blstm" of no effect.
        members: Number of networks that are trained on the same batches and whose logits are averaged; 1 is the paper.
        stop_gradient: Operator sg of Eqs. (7) and (9).
        cross_attention: False removes c^TA and c^AT from Eq. (10) (Table 4, last row).
    """

    embedding_dim: PositiveInt = 300
    hidden: PositiveInt = 128
    heads: Heads = "full"
    head_count: PositiveInt = 4
    dropout: Fraction = 0.3
    segment_dropout: SegmentDropout = "pooled"
    pooled_frames: Annotated[int, Field(ge=0)] = 0
    frame_size: PositiveInt = 40
    segment_pooling: SegmentPooling = "blstm"
    input_dropout: Fraction = 0.0
    input_noise: Amount = 0.0
    members: Annotated[int, Field(ge=1, le=16)] = 1
    stop_gradient: bool = True
    cross_attention: bool = True

    def __post_init__(self) -> None:
        if self.heads != "full" and 2 * self.hidden % self.head_count:
            raise ValueError(f"{self.head_count} heads cannot share {2 * self.hidden} values (2 · hidden) evenly")


@dataclass(frozen=True, slots=True)
class AugmentationConfig:
    """Augmentation of training data; all off by default, as in the paper.

    Attributes:
        speeds: Factors by which whole utterances are resampled, one drawn per batch (Ko et al. 2015).
        gain_db: Standard deviation of a level change per utterance.
        colour: Standard deviation, in deviations of each coefficient, of an offset per utterance and coefficient: a
            fixed filter, as of another room, microphone or vocal tract.
        frame_noise: Standard deviation of noise on the coefficients of each frame.
        segment_dropout: Share of segments replaced by the mean frame.
        coefficient_dropout: Share of coefficients replaced by their mean throughout an utterance.
        word_dropout: Share of words replaced by the unknown word, whose vector stays random without it.
    """

    speeds: tuple[Rate, ...] = (1.0,)
    gain_db: Amount = 0.0
    colour: Amount = 0.0
    frame_noise: Amount = 0.0
    segment_dropout: Fraction = 0.0
    coefficient_dropout: Fraction = 0.0
    word_dropout: Fraction = 0.0

    def __post_init__(self) -> None:
        if not self.speeds or self.speeds[0] != 1.0:
            raise ValueError("the first speed must be 1, the speed of validation and test")


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Training of the network; defaults are the paper's (Section 4.2) or, where it specifies none, the simplest.

    Attributes:
        alpha: Weight of L_align in Eq. (14) and of the unimodal heads in Eq. (15).
        batch_size: Utterances per batch.
        learning_rate: Learning rate of Adam (.9, .999).
        embedding_rate: Factor of the learning rate for the word vectors; 0 freezes them.
        weight_decay: Decoupled weight decay, not applied to embeddings.
        schedule: "constant", or "cosine" to zero over `max_epochs` after a short warm-up.
        clip_norm: Maximum norm of all gradients together.
        label_smoothing: Label smoothing of every cross-entropy.
        class_weights: Weight each class in the loss by the inverse of its share of the training part; not in the paper.
        normalise: Normalise each MFCC to mean 0 and deviation 1 over the training frames; not specified by the paper.
        rounded_vectors: Round the word vectors before the test to the one byte per value that a bundle stores, so that
            the tested network is the served one; not specified by the paper.
        mixup: Parameter of the beta distribution by which pairs of utterances are mixed segment by segment, with their
            labels (Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", ICLR); 0 mixes none.
        balance: Shares of the corpora of a mixed corpus, for example "clip=2" and "nemo=1": batches are drawn evenly
            over the emotions, and of an emotion by these shares over the corpora that have it, with replacement. Empty:
            every utterance once per epoch.
        averaging: Decay per step of an exponential moving average of the weights, which is then validated and kept; 0
            keeps the weights themselves.
        patience: Epochs after the best one before training stops. The best epoch has the highest validation accuracy
            and, among equals, the lowest validation loss. 0 never stops early and keeps the last weights.
        max_epochs: Maximum number of epochs.
        seed: Random seed.
        augmentation: Augmentation of the training data.
    """

    alpha: Amount = 0.1
    batch_size: PositiveInt = 64
    learning_rate: Rate = 1e-3
    embedding_rate: Amount = 1.0
    weight_decay: Amount = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    clip_norm: Rate = 1.0
    label_smoothing: Fraction = 0.0
    class_weights: bool = False
    normalise: bool = True
    rounded_vectors: bool = True
    mixup: Amount = 0.0
    balance: tuple[Annotated[str, Field(pattern=r"^\w+=\d+(\.\d+)?$")], ...] = ()
    averaging: Fraction = 0.0
    patience: Annotated[int, Field(ge=0)] = 10
    max_epochs: PositiveInt = 100
    seed: Annotated[int, Field(ge=0)] = 0
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
