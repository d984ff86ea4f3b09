"""Training that begins with the weights of a bundle: its encoders and word vectors, and heads for other labels."""

import torch
from torch import Tensor, nn

from model.data.initial import InitialWeights
from model.network.ensemble import members_of
from model.scores import EMOTION_NAMES

_HEADS = ("joint_head", "text_head", "audio_head")
_COUNT = "standardise.count"
_SQUARES = "standardise.squares"
_FROZEN_COUNT = 1e8
"""Weight of stored statistics, in segments: a training adds some ten thousand per epoch, which changes nothing."""


def begin_with(network: nn.Module, initial: InitialWeights, labels: tuple[str, ...]) -> None:
    """Copy weights into an untrained network of the same shape, in place.

    All layers are copied except rows of the heads: those of labels that both have are copied, those of other labels
    stay random. Word vectors, which the vocabulary determines, stay as they are. Statistics of segments are kept during
    training, because the encoder was trained with them.

    Args:
        network: Untrained network.
        initial: Weights of a trained network.
        labels: Labels of the untrained network.
    """
    rows = match_labels(initial.labels, labels)
    state = network.state_dict()
    for name, value in _freeze_statistics(initial.tensors).items():
        state[name] = _merge_rows(state[name], value, rows) if name.split(".")[-2] in _HEADS else value
    network.load_state_dict(state)


def initial_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Tensors of a trained network without its word vectors."""
    tables = [member.text_encoder.embedding.weight.data_ptr() for member in members_of(network)]
    return {name: value for name, value in network.state_dict().items() if value.data_ptr() not in tables}


def match_labels(before: tuple[str, ...], after: tuple[str, ...]) -> list[tuple[int, int]]:
    """Classes (before, after) of the labels that both have; "hap" and "happy" are one label."""
    names = {_name(label): index for index, label in enumerate(before)}
    return [(names[_name(label)], index) for index, label in enumerate(after) if _name(label) in names]


def _name(label: str) -> str:
    return EMOTION_NAMES.get(label, label).casefold()


def _merge_rows(untrained: Tensor, trained: Tensor, rows: list[tuple[int, int]]) -> Tensor:
    merged = untrained.clone()
    for before, after in rows:
        merged[after] = trained[before]
    return merged


def _freeze_statistics(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    frozen = dict(tensors)
    for name, count in tensors.items():
        if name.endswith(_COUNT):
            squares = name.removesuffix(_COUNT) + _SQUARES
            frozen[squares] = tensors[squares] * (_FROZEN_COUNT / count.clamp_min(1.0))
            frozen[name] = torch.full_like(count, _FROZEN_COUNT)
    return frozen
