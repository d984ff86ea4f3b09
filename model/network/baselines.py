"""Baseline systems of Table 2 of Lee, Yoon, Jung 2020; each attends over the frames of whole utterances.

Batches must have the segmentation "whole", in which segment i is utterance i.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from model.config import NetworkConfig
from model.data.batches import Batch
from model.network.attention import GlobalAttention
from model.network.encoders import SequenceEncoder, TextEncoder
from model.network.losses import JointPrediction
from model.network.packed_lstm import run_bilstm
from model.network.ragged import last_states, pad_packed, ragged_softmax, ragged_sum


class FrameEncoder(nn.Module):
    """A BLSTM over the MFCC frames of whole utterances, then dropout."""

    def __init__(self, config: NetworkConfig) -> None:
        """Create one bidirectional layer."""
        super().__init__()
        self.lstm = nn.LSTM(config.frame_size, config.hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, batch: Batch) -> PackedSequence:
        """Packed states, (frames, 2 · hidden); `batch.utterance_of_row` is the utterance of each row."""
        packed = run_bilstm(self.lstm, batch.frames)
        dropped: Tensor = self.dropout(packed.data)
        return packed._replace(data=dropped)


class TextModel(nn.Module):
    """Row "TextModel": text only, one BLSTM and one learned query.

    Source: Mirsamadi, Barsoum, Zhang 2017, "Automatic Speech Emotion Recognition Using Recurrent Neural Networks with
    Local Attention", ICASSP: α_t = softmax(uᵀ y_t), z = Σ_t α_t y_t.
    """

    def __init__(self, embeddings: Tensor, n_classes: int, config: NetworkConfig) -> None:
        """Create the layers; see `CrossAttentionNetwork`."""
        super().__init__()
        self.text_encoder = TextEncoder(embeddings, config)
        self.query = GlobalAttention(2 * config.hidden, 1, "full")
        self.head = nn.Linear(2 * config.hidden, n_classes)

    def forward(self, batch: Batch) -> JointPrediction:
        """Logits from attention over words."""
        states: Tensor = self.text_encoder(batch.words, batch.word_counts)
        return JointPrediction(self.head(self.query.gather(self.query(states, batch.mask), states)))


class AudioModel(nn.Module):
    """Row "AudioModel": audio only, one BLSTM and one learned query.

    Source: Mirsamadi, Barsoum, Zhang 2017, as for `TextModel`.
    """

    def __init__(self, embeddings: Tensor, n_classes: int, config: NetworkConfig) -> None:
        """Create the layers; see `CrossAttentionNetwork`. The word vectors are not used."""
        del embeddings
        super().__init__()
        self.frame_encoder = FrameEncoder(config)
        self.query = nn.Parameter(torch.empty(2 * config.hidden))
        nn.init.normal_(self.query, std=(2 * config.hidden) ** -0.5)
        self.head = nn.Linear(2 * config.hidden, n_classes)

    def forward(self, batch: Batch) -> JointPrediction:
        """Logits from attention over frames."""
        states = self.frame_encoder(batch).data
        return JointPrediction(self.head(self.attend(states, batch.utterance_of_row, len(batch.word_counts))))

    def attend(self, states: Tensor, utterance_of_row: Tensor, utterances: int) -> Tensor:
        """(frames, 2 · hidden) → (utterances, 2 · hidden) z."""
        weights = ragged_softmax(states @ self.query, utterance_of_row, utterances)
        return ragged_sum(weights, states, utterance_of_row, utterances)


class MultiHopAttention(nn.Module):
    """Row "Yoon et al.": multi-hop attention MHA-1, MHA-2 or MHA-3; the paper's row is two hops.

    A score is the dot product of a state with the projected query; H1 = Σ softmax(H^T W1 o^A_last) H^T,
    H2 = Σ softmax(H^A W2 H1) H^A, H3 = Σ softmax(H^T W3 H2) H^T. The logits are linear in the last two of
    (o^A_last, H1, H2, H3).

    Source: Yoon, Byun, Dey, Jung 2019, "Speech Emotion Recognition Using Multi-hop Attention Mechanism", ICASSP.
    """

    def __init__(self, embeddings: Tensor, n_classes: int, config: NetworkConfig, hops: int = 2) -> None:
        """Create the layers; see `CrossAttentionNetwork`. `hops` is 1, 2 or 3."""
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
        contexts = [last_states(frames, batch.frame_counts)]
        for hop, projection in enumerate(self.projections):
            query = projection(contexts[-1])
            if hop % 2:
                contexts.append(attend_frames(query, frames.data, batch.utterance_of_row))
            else:
                contexts.append(attend_words(query, words, batch.mask))
        return JointPrediction(self.head(torch.cat(contexts[-2:], dim=1)))


def attend_words(query: Tensor, states: Tensor, mask: Tensor) -> Tensor:
    """(batch, size), (batch, words, size), (batch, words) → (batch, size): dot-product attention over words."""
    scores = torch.einsum("bld,bd->bl", states, query).masked_fill(~mask, float("-inf"))
    return torch.einsum("bl,bld->bd", scores.softmax(dim=1), states)


def attend_frames(query: Tensor, states: Tensor, utterance_of_row: Tensor) -> Tensor:
    """(batch, size), (frames, size), (frames,) → (batch, size): dot-product attention over each utterance's frames."""
    scores = (states * query[utterance_of_row]).sum(dim=1)
    return ragged_sum(ragged_softmax(scores, utterance_of_row, len(query)), states, utterance_of_row, len(query))


class LearnedAlignment(nn.Module):
    """Row "Xu et al.": every word attends to all frames of the utterance instead of an aligned segment.

    For word j and frame i a_ji = tanh(uᵀ s_i + vᵀ h_j + b), α_j = softmax over i of a_ji, s̃_j = Σ_i α_ji s_i; a BLSTM
    over [s̃_j; h_j], the maximum over words, a linear layer. Because a is in (−1, 1), α is nearly uniform; this is the
    published formula.

    Source: Xu, Zhang, Han, Wang, Peng, Li 2019, "Learning Alignment for Multimodal Emotion Recognition from Speech",
    Interspeech.
    """

    def __init__(self, embeddings: Tensor, n_classes: int, config: NetworkConfig) -> None:
        """Create the layers; see `CrossAttentionNetwork`."""
        super().__init__()
        size = 2 * config.hidden
        self.text_encoder = TextEncoder(embeddings, config)
        self.frame_encoder = FrameEncoder(config)
        self.frame_score = nn.Linear(size, 1, bias=False)
        self.word_score = nn.Linear(size, 1)
        self.fusion = SequenceEncoder(2 * size, config)
        self.head = nn.Linear(size, n_classes)

    def forward(self, batch: Batch) -> JointPrediction:
        """Logits from the maximum over the fused states."""
        words: Tensor = self.text_encoder(batch.words, batch.word_counts)
        frames, real = pad_packed(self.frame_encoder(batch), batch.utterance_of_row, len(batch.word_counts))
        aligned = self.align(words, frames, real)
        fused: Tensor = self.fusion(torch.cat((aligned, words), dim=-1), batch.word_counts)
        maximum = fused.masked_fill(~batch.mask.unsqueeze(-1), float("-inf")).amax(dim=1)
        return JointPrediction(self.head(maximum))

    def align(self, words: Tensor, frames: Tensor, real: Tensor) -> Tensor:
        """Attended frames of each word, s̃.

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
