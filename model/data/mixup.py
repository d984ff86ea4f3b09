"""Mixing of pairs of utterances for training.

Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", ICLR; applied to the steps of the utterances, as
in Verma et al. 2019, "Manifold Mixup: Better Representations by Interpolating Hidden States", ICML.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """Partner and weight of each utterance of a batch.

    Attributes:
        partner: (batch,) int64 index of the utterance that is mixed in.
        weight: (batch,) share of the utterance itself, at least one half.
    """

    partner: Tensor
    weight: Tensor

    @classmethod
    def draw(cls, batch: int, beta: float, generator: torch.Generator) -> "Mix":
        """Random pairs with weights of a symmetric beta distribution."""
        # Two gamma variables give a beta variable; torch.distributions takes no generator.
        gamma = torch._standard_gamma(torch.full((2, batch), beta), generator=generator)
        weight = gamma[0] / gamma.sum(dim=0).clamp_min(1e-12)
        return cls(torch.randperm(batch, generator=generator), torch.maximum(weight, 1 - weight))

    def to(self, device: torch.device) -> "Mix":
        """Copy on a device."""
        return Mix(self.partner.to(device), self.weight.to(device))

    def blend(self, steps: Tensor, counts: Tensor) -> Tensor:
        """Mix each step with the one at the same share of the partner's length.

        Args:
            steps: (batch, steps, size).
            counts: (batch,) steps of each utterance.
        """
        position = torch.arange(steps.shape[1], device=steps.device).unsqueeze(0)
        others = counts[self.partner].unsqueeze(1)
        matching = torch.minimum(position * others // counts.unsqueeze(1), others - 1)
        other = steps[self.partner].gather(1, matching.unsqueeze(2).expand(-1, -1, steps.shape[2]))
        return torch.lerp(other, steps, self.weight.view(-1, 1, 1))

    def blend_segments(self, segments: Tensor, counts: Tensor) -> Tensor:
        """Mix as `blend` does, without padding.

        Args:
            segments: (all segments, size), utterance after utterance.
            counts: (batch,) segments of each utterance.
        """
        firsts = counts.cumsum(0) - counts
        utterance = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
        position = torch.arange(len(segments), device=counts.device) - firsts[utterance]
        other = self.partner[utterance]
        matching = torch.minimum(position * counts[other] // counts[utterance], counts[other] - 1)
        return torch.lerp(segments[firsts[other] + matching], segments, self.weight[utterance].unsqueeze(1))

    def blend_labels(self, labels: Tensor, classes: int) -> Tensor:
        """(batch,) labels → (batch, classes) target probabilities."""
        targets = functional.one_hot(labels, classes).float()
        return torch.lerp(targets[self.partner], targets, self.weight.unsqueeze(1))
