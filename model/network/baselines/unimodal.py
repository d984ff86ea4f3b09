"""TextModel and AudioModel: one BLSTM, one learned query.

Source: Mirsamadi, Barsoum, Zhang 2017, "Automatic Speech Emotion Recognition Using Recurrent Neural Networks with Local
Attention", ICASSP: α_t = softmax(uᵀ y_t), z = Σ_t α_t y_t. Rows of Table 2 of Lee, Yoon, Jung 2020.
"""

import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.data.batches import Batch
from model.network.attention import GlobalAttention
from model.network.baselines.frames import FrameEncoder
from model.network.encoders import TextEncoder
from model.network.losses import JointPrediction
from model.network.ragged import ragged_softmax, ragged_sum


class TextModel(nn.Module):
    """Words alone."""

    def __init__(self, embeddings: Tensor, n_classes: int, config: NetworkConfig) -> None:
        """See `CrossAttentionNetwork`."""
        super().__init__()
        self.text_encoder = TextEncoder(embeddings, config)
        self.query = GlobalAttention(2 * config.hidden, 1, "full")
        self.head = nn.Linear(2 * config.hidden, n_classes)

    def forward(self, batch: Batch) -> JointPrediction:
        """Logits of the attended words."""
        states: Tensor = self.text_encoder(batch.words, batch.word_counts)
        return JointPrediction(self.head(self.query.gather(self.query(states, batch.mask), states)))


class AudioModel(nn.Module):
    """Sound alone, whole utterances."""

    def __init__(self, embeddings: Tensor, n_classes: int, config: NetworkConfig) -> None:
        """See `CrossAttentionNetwork`; the word vectors are not used."""
        del embeddings
        super().__init__()
        self.frame_encoder = FrameEncoder(config)
        self.query = nn.Parameter(torch.empty(2 * config.hidden))
        nn.init.normal_(self.query, std=(2 * config.hidden) ** -0.5)
        self.head = nn.Linear(2 * config.hidden, n_classes)

    def forward(self, batch: Batch) -> JointPrediction:
        """Logits of the attended frames."""
        states = self.frame_encoder(batch).data
        return JointPrediction(self.head(self.attend(states, batch.utterance_of_row, len(batch.word_counts))))

    def attend(self, states: Tensor, utterance_of_row: Tensor, utterances: int) -> Tensor:
        """(frames, 2 · hidden) → (utterances, 2 · hidden) z."""
        weights = ragged_softmax(states @ self.query, utterance_of_row, utterances)
        return ragged_sum(weights, states, utterance_of_row, utterances)
