"""Multi-hop attention: sound asks the words, what the words answer asks the sound.

Source: Yoon, Byun, Dey, Jung 2019, "Speech Emotion Recognition Using Multi-hop Attention Mechanism", ICASSP. The row
"Yoon et al." of Table 2 of Lee, Yoon, Jung 2020 is two hops (MHA-2). A score is the dot product of a state with the
projected query; H1 = Σ softmax(H^T W1 o^A_last) H^T, H2 = Σ softmax(H^A W2 H1) H^A, H3 = Σ softmax(H^T W3 H2) H^T. The
logits are linear in the last two of (o^A_last, H1, H2, H3).
"""

from torch import Tensor, cat, einsum, nn

from model.config import NetworkConfig
from model.data.batches import Batch
from model.network.baselines.frames import FrameEncoder
from model.network.encoders import TextEncoder
from model.network.losses import JointPrediction
from model.network.ragged import last_states, ragged_softmax, ragged_sum


class MultiHopAttention(nn.Module):
    """MHA-1, MHA-2 or MHA-3."""

    def __init__(self, embeddings: Tensor, n_classes: int, config: NetworkConfig, hops: int = 2) -> None:
        """See `CrossAttentionNetwork`; `hops` is 1, 2 or 3."""
        super().__init__()
        size = 2 * config.hidden
        self.text_encoder = TextEncoder(embeddings, config)
        self.frame_encoder = FrameEncoder(config)
        self.projections = nn.ModuleList(nn.Linear(size, size, bias=False) for _ in range(hops))
        self.head = nn.Linear(2 * size, n_classes)

    def forward(self, batch: Batch) -> JointPrediction:
        """Logits after the last hop."""
        words: Tensor = self.text_encoder(batch.words, batch.word_counts)
        frames = self.frame_encoder(batch)
        answers = [last_states(frames, batch.frame_counts)]
        for hop, projection in enumerate(self.projections):
            query = projection(answers[-1])
            if hop % 2:
                answers.append(ask_frames(query, frames.data, batch.utterance_of_row))
            else:
                answers.append(ask_words(query, words, batch.mask))
        return JointPrediction(self.head(cat(answers[-2:], dim=1)))


def ask_words(query: Tensor, states: Tensor, mask: Tensor) -> Tensor:
    """(batch, size), (batch, words, size), (batch, words) → (batch, size): words weighted by their likeness."""
    scores = einsum("bld,bd->bl", states, query).masked_fill(~mask, float("-inf"))
    return einsum("bl,bld->bd", scores.softmax(dim=1), states)


def ask_frames(query: Tensor, states: Tensor, utterance_of_row: Tensor) -> Tensor:
    """(batch, size), (frames, size), (frames,) → (batch, size): an utterance's frames weighted by their likeness."""
    scores = (states * query[utterance_of_row]).sum(dim=1)
    return ragged_sum(ragged_softmax(scores, utterance_of_row, len(query)), states, utterance_of_row, len(query))
