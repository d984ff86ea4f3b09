"""The Cross Attention Network.

Source: Lee, Yoon, Jung 2020, "Multimodal Speech Emotion Recognition using Cross Attention with Aligned Audio and
Text", Interspeech 2020, Section 3.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.data.batches import Batch
from model.network.attention import GlobalAttention, stop_gradient
from model.network.encoders import AudioEncoder, TextEncoder


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Logits and attention of a batch.

    Attributes:
        joint: (batch, classes) Eq. (10).
        text: (batch, classes) Eq. (11).
        audio: (batch, classes) Eq. (12).
        text_attention: (batch, heads, words) Eq. (4).
        audio_attention: (batch, heads, words) Eq. (5).
    """

    joint: Tensor
    text: Tensor
    audio: Tensor
    text_attention: Tensor
    audio_attention: Tensor

    @property
    def unimodal(self) -> dict[str, Tensor]:
        """Logits of the unimodal heads by modality."""
        return {"text": self.text, "audio": self.audio}


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """Additive decomposition of the log-scores over the network's states at each word.

    The sum is exact. A state carries context from neighbouring words, so that a contribution is not the effect of
    leaving the word out.

    Attributes:
        text: (batch, words, classes) contribution of the text state at each word.
        audio: (batch, words, classes) contribution of the audio state at each word.
        bias: (classes,) contribution of the biases.
    """

    text: Tensor
    audio: Tensor
    bias: Tensor


class CrossAttentionNetwork(nn.Module):
    """CAN: two encoders, global attention per modality, and cross attention with the other modality's weights."""

    def __init__(self, embeddings: Tensor, n_classes: int, config: NetworkConfig) -> None:
        """Create the layers.

        Args:
            embeddings: (vocabulary, embedding_dim) initial word vectors, row 0 for padding.
            n_classes: Number of emotions.
            config: Shape of the network.
        """
        super().__init__()
        self.config = config
        size = 2 * config.hidden
        self.text_encoder = TextEncoder(embeddings, config)
        self.audio_encoder = AudioEncoder(config)
        self.text_query = GlobalAttention(size, config.head_count, config.heads)
        self.audio_query = GlobalAttention(size, config.head_count, config.heads)
        context = self.text_query.head_size * config.head_count
        self.joint_head = nn.Linear((4 if config.cross_attention else 2) * context, n_classes)
        self.text_head = nn.Linear(context, n_classes)
        self.audio_head = nn.Linear(context, n_classes)

    def forward(self, batch: Batch) -> Prediction:
        """Logits of Eqs. (10) to (12) and the attention weights."""
        return self.attend(*self.encode(batch), batch.mask)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """H^(T) and H^(A), (batch, words, 2 · hidden) each.

        Source: Lee, Yoon, Jung 2020, Sections 3.2.1 and 3.2.2.
        """
        mix = batch.mix

        def blend(segments: Tensor) -> Tensor:
            return segments if mix is None else mix.blend_segments(segments, batch.segment_counts)

        vectors = self.audio_encoder.segments(batch, blend)
        text_states: Tensor = self.text_encoder(batch.words, batch.word_counts, mix)
        return text_states, self.audio_encoder.words(vectors, batch.segment_index, batch.word_counts)

    def attend(self, text_states: Tensor, audio_states: Tensor, mask: Tensor) -> Prediction:
        """Apply cross attention and the three classifiers.

        Args:
            text_states: (batch, words, 2 · hidden) H^(T).
            audio_states: (batch, words, 2 · hidden) H^(A).
            mask: (batch, words) bool, True = real word.

        Source: Lee, Yoon, Jung 2020, Sections 3.2.3 and 3.3, Eqs. (4) to (12).
        """
        text_weights = self.text_query(text_states, mask)
        audio_weights = self.audio_query(audio_states, mask)
        c_tt = self.text_query.gather(text_weights, text_states)
        c_aa = self.audio_query.gather(audio_weights, audio_states)
        contexts = [c_tt, c_aa]
        if self.config.cross_attention:
            crossed_text = stop_gradient(text_weights, self.config.stop_gradient)
            crossed_audio = stop_gradient(audio_weights, self.config.stop_gradient)
            c_ta = self.audio_query.gather(crossed_text, audio_states)
            c_at = self.text_query.gather(crossed_audio, text_states)
            contexts = [c_tt, c_ta, c_aa, c_at]
        return Prediction(
            joint=self.joint_head(torch.cat(contexts, dim=-1)),
            text=self.text_head(c_tt),
            audio=self.audio_head(c_aa),
            text_attention=text_weights,
            audio_attention=audio_weights,
        )

    def explain(self, text_states: Tensor, audio_states: Tensor, prediction: Prediction, alpha: float) -> Contributions:
        """Contributions of the states at each word to the log-scores of Eq. (15).

        Eqs. (10) to (12) are linear in the contexts and Eq. (15) adds their logarithms. The final log-score of a class
        is therefore the sum of its biases, a constant common to all classes, and for each word α_i H_i times the
        classifiers' weights.

        Args:
            text_states: (batch, words, 2 · hidden) H^(T).
            audio_states: (batch, words, 2 · hidden) H^(A).
            prediction: Prediction from the same states.
            alpha: Weight α of Eq. (15).
        """
        blocks = self.joint_head.weight.chunk(4 if self.config.cross_attention else 2, dim=1)
        w_tt, w_aa = (blocks[0], blocks[2]) if self.config.cross_attention else blocks
        text_weights, audio_weights = prediction.text_attention, prediction.audio_attention
        text_values, audio_values = self.text_query.values(text_states), self.audio_query.values(audio_states)
        text = self._contributions(text_weights, text_values, w_tt + alpha * self.text_head.weight)
        audio = self._contributions(audio_weights, audio_values, w_aa + alpha * self.audio_head.weight)
        if self.config.cross_attention:
            audio = audio + self._contributions(text_weights, audio_values, blocks[1])
            text = text + self._contributions(audio_weights, text_values, blocks[3])
        bias = self.joint_head.bias + alpha * (self.text_head.bias + self.audio_head.bias)
        return Contributions(text, audio, bias)

    def _contributions(self, weights: Tensor, values: Tensor, classifier: Tensor) -> Tensor:
        """(batch, words, classes): Σ over heads of α_i · V_i W, of (batch, words, heads, head size) values."""
        per_head = classifier.unflatten(1, (self.config.head_count, -1))
        return torch.einsum("bkl,blkd,ckd->blc", weights, values, per_head)
