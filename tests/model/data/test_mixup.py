"""Mixing of utterances, against values worked out by hand."""

import torch

from model.data.mixup import Mix

STEPS = torch.tensor([[[1.0], [2.0], [3.0], [4.0]], [[10.0], [20.0], [0.0], [0.0]]])
COUNTS = torch.tensor([4, 2])


def test_steps_are_mixed_at_the_same_share_of_both_lengths() -> None:
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 0.5]))
    blended = mix.blend(STEPS, COUNTS).squeeze(2)
    assert blended[0].tolist() == [0.75 * 1 + 2.5, 0.75 * 2 + 2.5, 0.75 * 3 + 5.0, 0.75 * 4 + 5.0]
    assert blended[1, :2].tolist() == [0.5 * 10 + 0.5 * 1, 0.5 * 20 + 0.5 * 3]


def test_segments_are_mixed_as_padded_steps_are() -> None:
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 0.5]))
    flat = torch.tensor([[1.0], [2.0], [3.0], [4.0], [10.0], [20.0]])
    padded = mix.blend(STEPS, COUNTS)
    torch.testing.assert_close(mix.blend_segments(flat, COUNTS), torch.cat((padded[0], padded[1, :2])))


def test_labels_are_mixed_by_the_same_weights() -> None:
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 0.5]))
    targets = mix.blend_labels(torch.tensor([2, 0]), 3)
    assert targets.tolist() == [[0.25, 0.0, 0.75], [0.5, 0.0, 0.5]]


def test_an_utterance_mixed_with_itself_is_unchanged() -> None:
    mix = Mix(torch.tensor([0, 1]), torch.tensor([0.6, 0.9]))
    torch.testing.assert_close(mix.blend(STEPS, COUNTS)[:, :2], STEPS[:, :2])


def test_drawn_weights_are_shares_of_at_least_half() -> None:
    mix = Mix.draw(1_000, 0.4, torch.Generator().manual_seed(0))
    assert 0.5 <= float(mix.weight.min()) <= float(mix.weight.max()) <= 1.0
    # Symmetric beta with parameter .4: the larger share has a mean of .83.
    assert abs(float(mix.weight.mean()) - 0.83) < 0.02
    assert sorted(mix.partner.tolist()) == list(range(1_000))
