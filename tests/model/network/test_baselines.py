"""Attention of the baseline systems against hand-computed cases, and independence from the rest of a batch."""

from dataclasses import replace

import pytest
import torch

from model.config import NetworkConfig
from model.data.batches import RaggedData
from model.network.baselines import (
    AudioModel,
    LearnedAlignment,
    MultiHopAttention,
    TextModel,
    attend_frames,
    attend_words,
)
from model.training.systems import SYSTEMS

CONFIG = NetworkConfig(embedding_dim=6, hidden=4, head_count=2, dropout=0.0)
LN3 = float(torch.log(torch.tensor(3.0)))


def whole_utterances(seed: int = 0) -> RaggedData:
    """Three utterances of one segment each."""
    generator = torch.Generator().manual_seed(seed)
    frame_counts, word_counts = torch.tensor([30, 7, 18]), torch.tensor([3, 1, 5])
    return RaggedData(
        frames=torch.randn(55, CONFIG.frame_size, generator=generator),
        frame_counts=frame_counts,
        segment_counts=torch.ones(3, dtype=torch.int64),
        words=torch.randint(2, 10, (9,), generator=generator),
        word_counts=word_counts,
        labels=torch.tensor([0, 1, 2]),
    )


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return SYSTEMS[name].build(torch.randn(10, CONFIG.embedding_dim), 3, CONFIG).eval()


def test_audio_model_attention_by_hand() -> None:
    """Frames of utterance 0 score 0 and ln 3, so that their weights are 1/4 and 3/4; utterance 1 has one frame."""
    network = AudioModel(torch.zeros(2, 2), 3, replace(CONFIG, hidden=1))
    network.query.data = torch.tensor([1.0, 0.0])
    states = torch.tensor([[0.0, 4.0], [5.0, 5.0], [LN3, 8.0]])
    attended = network.attend(states, torch.tensor([0, 1, 0]), 2)
    torch.testing.assert_close(attended, torch.tensor([[0.75 * LN3, 7.0], [5.0, 5.0]]))


def test_text_model_attention_by_hand() -> None:
    network = TextModel(torch.zeros(3, 2), 3, replace(CONFIG, hidden=1, embedding_dim=2))
    network.query.queries.data = torch.tensor([[1.0, 0.0]])
    states = torch.tensor([[[0.0, 4.0], [LN3, 8.0], [99.0, 99.0]]])
    weights = network.query(states, torch.tensor([[True, True, False]]))
    torch.testing.assert_close(weights, torch.tensor([[[0.25, 0.75, 0.0]]]))
    torch.testing.assert_close(network.query.gather(weights, states), torch.tensor([[0.75 * LN3, 7.0]]))


def test_hops_by_hand() -> None:
    """Words score 0 and ln 3 on the query (1, 0); frames likewise."""
    query = torch.tensor([[1.0, 0.0]])
    states = torch.tensor([[0.0, 4.0], [LN3, 8.0]])
    expected = torch.tensor([[0.75 * LN3, 7.0]])
    padded = torch.cat((states, torch.full((1, 2), 99.0)))[None]
    torch.testing.assert_close(attend_words(query, padded, torch.tensor([[True, True, False]])), expected)
    torch.testing.assert_close(attend_frames(query, states, torch.tensor([0, 0])), expected)


def test_learned_alignment_by_hand() -> None:
    """tanh(uᵀs + vᵀh + b) with u = (1), v = (1), b = 0: the word at 0 attends to frames at 0 and atanh(½ ln 3)."""
    network = LearnedAlignment(torch.zeros(2, 2), 3, replace(CONFIG, hidden=1, embedding_dim=2))
    network.frame_score.weight.data = torch.tensor([[1.0, 0.0]])
    network.word_score.weight.data = torch.tensor([[1.0, 0.0]])
    network.word_score.bias.data = torch.tensor([0.0])
    far = float(torch.atanh(torch.tensor(0.5 * LN3)))
    frames = torch.tensor([[[0.0, 1.0], [far, 3.0], [50.0, 50.0]]])
    aligned = network.align(torch.zeros(1, 1, 2), frames, torch.tensor([[True, True, False]]))
    low = 1.0 / (1.0 + 3.0**0.5)
    torch.testing.assert_close(aligned, torch.tensor([[[(1 - low) * far, low * 1.0 + (1 - low) * 3.0]]]))


@pytest.mark.parametrize("name", ["text", "audio", "yoon", "xu", "yoon-mha1", "yoon-mha3"])
def test_batch_equals_single_utterances(name: str) -> None:
    network, data = build(name), whole_utterances()
    with torch.no_grad():
        together = network(data.batch(torch.arange(3))).joint
        alone = torch.cat([network(data.batch(torch.tensor([index]))).joint for index in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("name", "uses_audio", "uses_text"),
    [
        ("text", False, True),
        ("audio", True, False),
        ("yoon", True, True),
        ("xu", True, True),
        ("yoon-mha1", True, True),
    ],
)
def test_modalities_of_each_system(name: str, uses_audio: bool, uses_text: bool) -> None:
    network, data = build(name), whole_utterances()
    other_audio = replace(data, frames=data.frames + torch.linspace(0, 1, 55)[:, None])
    other_words = replace(data, words=torch.flip(data.words, (0,)))
    everything = torch.arange(3)
    with torch.no_grad():
        before = network(data.batch(everything)).joint
        assert torch.equal(before, network(other_audio.batch(everything)).joint) != uses_audio
        assert torch.equal(before, network(other_words.batch(everything)).joint) != uses_text


def test_hops_set_number_of_projections() -> None:
    for hops in (1, 2, 3):
        assert len(MultiHopAttention(torch.zeros(2, 6), 3, CONFIG, hops).projections) == hops
