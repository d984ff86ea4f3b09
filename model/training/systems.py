"""Systems of the paper's Tables 2, 3 and 4 by name: network, changed settings and published metrics.

Source: Lee, Yoon, Jung 2020, Sections 4.3.1 to 4.3.3. Metrics are mean and deviation of ten folds on IEMOCAP.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from torch import Tensor, nn

from model.config import NetworkConfig
from model.network.baselines import AudioModel, LearnedAlignment, MultiHopAttention, TextModel
from model.network.ensemble import build_can

Words = Literal["corpus", "moonshine", "pocketsphinx", "whisperx"]
Builder = Callable[[Tensor, int, NetworkConfig], nn.Module]
"""(vocabulary, embedding_dim) word vectors, classes, shape → a network from `Batch` to `Prediction`."""

_WHOLE: Final = "features.segmentation=whole"


@dataclass(frozen=True, slots=True)
class PaperMetrics:
    """Metrics that the paper reports.

    Attributes:
        wa: Mean WA over folds.
        wa_deviation: Standard deviation of WA over folds.
        ua: Mean UA over folds.
        ua_deviation: Standard deviation of UA over folds.
    """

    wa: float
    wa_deviation: float
    ua: float
    ua_deviation: float


@dataclass(frozen=True, slots=True)
class System:
    """A system that can be trained.

    Attributes:
        title: Name in the paper.
        tables: Tables of the paper that list it; empty for additional systems.
        build: Creates the network.
        settings: Changes to the recipe, in the format of `--set`.
        paper: Published metrics; None for additional systems.
        words: Source of words and times: the corpus's own alignment, or a recogniser.
    """

    title: str
    tables: tuple[int, ...]
    build: Builder
    settings: tuple[str, ...] = ()
    paper: PaperMetrics | None = None
    words: Words = "corpus"


SYSTEMS: Final[dict[str, System]] = {
    "text": System("TextModel", (2,), TextModel, (_WHOLE,), PaperMetrics(0.513, 0.015, 0.443, 0.015)),
    "audio": System("AudioModel", (2,), AudioModel, (_WHOLE,), PaperMetrics(0.431, 0.017, 0.323, 0.015)),
    "yoon": System(
        "Yoon et al.", (2,), partial(MultiHopAttention, hops=2), (_WHOLE,), PaperMetrics(0.564, 0.020, 0.472, 0.017)
    ),
    "xu": System("Xu et al.", (2,), LearnedAlignment, (_WHOLE,), PaperMetrics(0.560, 0.028, 0.450, 0.028)),
    "can": System("CAN", (2, 3, 4), build_can, (), PaperMetrics(0.579, 0.019, 0.487, 0.017)),
    "can-equal": System(
        "Equal segmentation",
        (3,),
        build_can,
        ("features.segmentation=equal",),
        PaperMetrics(0.568, 0.022, 0.467, 0.021),
    ),
    "can-no-stop-gradient": System(
        "− stop-gradient", (4,), build_can, ("network.stop_gradient=false",), PaperMetrics(0.570, 0.018, 0.469, 0.023)
    ),
    "can-no-align-loss": System(
        "− L_align", (4,), build_can, ("training.alpha=0",), PaperMetrics(0.573, 0.015, 0.484, 0.017)
    ),
    "can-no-stop-gradient-no-align-loss": System(
        "− stop-gradient, L_align",
        (4,),
        build_can,
        ("network.stop_gradient=false", "training.alpha=0"),
        PaperMetrics(0.563, 0.015, 0.479, 0.024),
    ),
    "can-no-cross-attention": System(
        "− cross attention",
        (4,),
        build_can,
        ("network.cross_attention=false", "network.stop_gradient=false", "training.alpha=0"),
        PaperMetrics(0.556, 0.013, 0.458, 0.015),
    ),
    "yoon-mha1": System("Yoon et al., one hop", (), partial(MultiHopAttention, hops=1), (_WHOLE,)),
    "yoon-mha3": System("Yoon et al., three hops", (), partial(MultiHopAttention, hops=3), (_WHOLE,)),
    "can-encoder": System("CAN, states of Moonshine's encoder", (), build_can, ("features.front_end=encoder",)),
    "can-moonshine": System("CAN, words from Moonshine", (), build_can, words="moonshine"),
    "can-pocketsphinx": System("CAN, words from PocketSphinx", (), build_can, words="pocketsphinx"),
    "can-whisperx": System("CAN, words from WhisperX", (), build_can, words="whisperx"),
}
"""Systems by name; additional ones last."""
