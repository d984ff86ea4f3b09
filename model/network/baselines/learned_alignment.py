"""Learned alignment: every word attends to the frames, instead of being told which are its own.

Source: Xu, Zhang, Han, Wang, Peng, Li 2019, "Learning Alignment for Multimodal Emotion Recognition from Speech",
Interspeech. Row "Xu et al." of Table 2 of Lee, Yoon, Jung 2020. For word j and frame i
a_ji = tanh(uᵀ s_i + vᵀ h_j + b), α_j = softmax over i of a_ji, s̃_j = Σ_i α_ji s_i; a BLSTM over [s̃_j; h_j], the
maximum over words, a linear layer. As a lies in (−1, 1), α is nearly uniform: that is the published formula.
"""

import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.data.batches import Batch
from model.network.baselines.frames import FrameEncoder
from model.network.encoders import SequenceEncoder, TextEncoder
from model.network.losses import JointPrediction
from model.network.ragged import pad_packed


class LearnedAlignment(nn.Module):
    """Attention from words to frames."""

    def __init__(self, embeddings: Tensor, n_classes: int, config: NetworkConfig) -> None:
        """See `CrossAttentionNetwork`."""
        super().__init__()
        size = 2 * config.hidden
        self.text_encoder = TextEncoder(embeddings, config)
        self.frame_encoder = FrameEncoder(config)
        self.frame_score = nn.Linear(size, 1, bias=False)
        self.word_score = nn.Linear(size, 1)
        self.fusion = SequenceEncoder(2 * size, config)
        self.head = nn.Linear(size, n_classes)

    def forward(self, batch: Batch) -> JointPrediction:
        """Logits of the strongest fused states."""
        words: Tensor = self.text_encoder(batch.words, batch.word_counts)
        frames, real = pad_packed(self.frame_encoder(batch), batch.utterance_of_row, len(batch.word_counts))
        aligned = self.align(words, frames, real)
        fused: Tensor = self.fusion(torch.cat((aligned, words), dim=-1), batch.word_counts)
        strongest = fused.masked_fill(~batch.mask.unsqueeze(-1), float("-inf")).amax(dim=1)
        return JointPrediction(self.head(strongest))

    def align(self, words: Tensor, frames: Tensor, real: Tensor) -> Tensor:
        """s̃: each word's own view of the sound.

        Args:
            words: (batch, words, 2 · hidden) h.
            frames: (batch, frames, 2 · hidden) s.
            real: (batch, frames) bool, True = real frame.

        Returns:
            (batch, words, 2 · hidden).
        """
        scores = (self.word_score(words) + self.frame_score(frames).transpose(1, 2)).tanh()
        aligned: Tensor = scores.masked_fill(~real.unsqueeze(1), float("-inf")).softmax(dim=-1) @ frames
        return aligned
