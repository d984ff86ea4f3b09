"""Several Cross Attention Networks with averaged logits.

Networks that differ in their random initial weights only make different mistakes on unseen speakers. They are trained
on the same batches and exported as one graph; attention and contributions are averaged too, so that contributions still
add up to the log-scores.

Source: Lakshminarayanan, Pritzel, Blundell 2017, "Simple and Scalable Predictive Uncertainty Estimation using Deep
Ensembles", NeurIPS; here logits are averaged instead of probabilities.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.data.batches import Batch
from model.network.can import CrossAttentionNetwork, Prediction


class AveragedNetworks(nn.Module):
    """Members with one table of word vectors."""

    def __init__(self, embeddings: Tensor, n_classes: int, config: NetworkConfig) -> None:
        """Create `config.members` networks; see `CrossAttentionNetwork`."""
        super().__init__()
        self.members = nn.ModuleList(
            CrossAttentionNetwork(embeddings, n_classes, config) for _ in range(config.members)
        )
        networks = members_of(self)
        for network in networks[1:]:
            network.text_encoder.embedding = networks[0].text_encoder.embedding

    def forward(self, batch: Batch) -> Prediction:
        """Mean over the members; in training the rows of all members, (members · batch, classes), for the loss."""
        predictions = [network(batch) for network in members_of(self)]
        return _join(predictions, _stack_rows) if self.training else _join(predictions, _mean)


def members_of(network: nn.Module) -> list[CrossAttentionNetwork]:
    """The networks that are averaged; one for a single network.

    Raises:
        TypeError: The network is neither CAN nor several of them.
    """
    members = network.members if isinstance(network, AveragedNetworks) else [network]
    networks = [member for member in members if isinstance(member, CrossAttentionNetwork)]
    if len(networks) != len(members):
        raise TypeError(f"only CrossAttentionNetwork is served, not {type(network).__name__}")
    return networks


def build_can(embeddings: Tensor, n_classes: int, config: NetworkConfig) -> nn.Module:
    """The network of a configuration: CAN, or several of them."""
    return (CrossAttentionNetwork if config.members == 1 else AveragedNetworks)(embeddings, n_classes, config)


def average_outputs(outputs: Sequence[Sequence[Tensor]]) -> tuple[Tensor, ...]:
    """Mean over members of each output."""
    return tuple(_mean(member) for member in zip(*outputs, strict=True))


def _stack_rows(values: Sequence[Tensor]) -> Tensor:
    return torch.cat(tuple(values))


def _mean(values: Sequence[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.stack(tuple(values)).mean(dim=0)


def _join(predictions: Sequence[Prediction], join: Callable[[Sequence[Tensor]], Tensor]) -> Prediction:
    return Prediction(
        *(
            join([getattr(each, name) for each in predictions])
            for name in ("joint", "text", "audio", "text_attention", "audio_attention")
        )
    )
