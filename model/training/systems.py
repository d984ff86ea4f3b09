"""Every row of the paper's Tables 2, 3 and 4, by name: what is built, and which settings it changes.

Source: Lee, Yoon, Jung 2020, Sections 4.3.1 to 4.3.3. Figures are mean and deviation of ten folds on IEMOCAP.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from torch import Tensor, nn

from model.config import NetworkConfig
from model.network.baselines.learned_alignment import LearnedAlignment
from model.network.baselines.multihop import MultiHopAttention
from model.network.baselines.unimodal import AudioModel, TextModel
from model.network.can import CrossAttentionNetwork

Words = Literal["corpus", "pocketsphinx", "whisperx"]
Builder = Callable[[Tensor, int, NetworkConfig], nn.Module]
"""(vocabulary, embedding_dim) word vectors, classes, shape → a network from `Batch` to `Prediction`."""

WHOLE: Final = "features.segmentation=whole"


@dataclass(frozen=True, slots=True)
class PaperFigure:
    """What the paper reports.

    Attributes:
        wa: mean over folds.
        wa_deviation: over folds.
        ua: mean over folds.
        ua_deviation: over folds.
    """

    wa: float
    wa_deviation: float
    ua: float
    ua_deviation: float


@dataclass(frozen=True, slots=True)
class System:
    """One row.

    Attributes:
        title: as the paper names it.
        tables: of the paper that it stands in; empty for an extra.
        build: makes the network.
        settings: changes to the recipe, as `--set` takes them.
        paper: its figures; None for an extra.
        words: whose words and times it learns from: the corpus's own, or what a recogniser hears.
    """

    title: str
    tables: tuple[int, ...]
    build: Builder
    settings: tuple[str, ...] = ()
    paper: PaperFigure | None = None
    words: Words = "corpus"


SYSTEMS: Final[dict[str, System]] = {
    "text": System("TextModel", (2,), TextModel, (WHOLE,), PaperFigure(0.513, 0.015, 0.443, 0.015)),
    "audio": System("AudioModel", (2,), AudioModel, (WHOLE,), PaperFigure(0.431, 0.017, 0.323, 0.015)),
    "yoon": System(
        "Yoon et al.", (2,), partial(MultiHopAttention, hops=2), (WHOLE,), PaperFigure(0.564, 0.020, 0.472, 0.017)
    ),
    "xu": System("Xu et al.", (2,), LearnedAlignment, (WHOLE,), PaperFigure(0.560, 0.028, 0.450, 0.028)),
    "can": System("CAN", (2, 3, 4), CrossAttentionNetwork, (), PaperFigure(0.579, 0.019, 0.487, 0.017)),
    "can-equal": System(
        "Equal segmentation",
        (3,),
        CrossAttentionNetwork,
        ("features.segmentation=equal",),
        PaperFigure(0.568, 0.022, 0.467, 0.021),
    ),
    "can-no-stop-gradient": System(
        "− stop-gradient",
        (4,),
        CrossAttentionNetwork,
        ("network.stop_gradient=false",),
        PaperFigure(0.570, 0.018, 0.469, 0.023),
    ),
    "can-no-align-loss": System(
        "− L_align", (4,), CrossAttentionNetwork, ("training.alpha=0",), PaperFigure(0.573, 0.015, 0.484, 0.017)
    ),
    "can-no-stop-gradient-no-align-loss": System(
        "− stop-gradient, L_align",
        (4,),
        CrossAttentionNetwork,
        ("network.stop_gradient=false", "training.alpha=0"),
        PaperFigure(0.563, 0.015, 0.479, 0.024),
    ),
    "can-no-cross-attention": System(
        "− cross attention",
        (4,),
        CrossAttentionNetwork,
        ("network.cross_attention=false", "network.stop_gradient=false", "training.alpha=0"),
        PaperFigure(0.556, 0.013, 0.458, 0.015),
    ),
    "yoon-mha1": System("Yoon et al., one hop", (), partial(MultiHopAttention, hops=1), (WHOLE,)),
    "yoon-mha3": System("Yoon et al., three hops", (), partial(MultiHopAttention, hops=3), (WHOLE,)),
    "can-pocketsphinx": System("CAN, words heard by PocketSphinx", (), CrossAttentionNetwork, words="pocketsphinx"),
    "can-whisperx": System("CAN, words heard by WhisperX", (), CrossAttentionNetwork, words="whisperx"),
}
"""Every row by name; extras last."""
