"""Augmentation of training batches on the packed features; labels are unchanged."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from model.config import TrainingConfig
from model.data.batches import Batch, RaggedData
from model.data.mixup import Mix
from model.vocabulary import UNKNOWN


class Augmenter:
    """Draws batches and augments them.

    The first coefficient of an orthonormal DCT-II over n bands is √n times the mean level in decibels, so a gain of
    g dB adds g·√n to it and nothing else.
    """

    def __init__(
        self,
        by_speed: Sequence[RaggedData],
        config: TrainingConfig,
        deviation_of_level: float,
        generator: torch.Generator,
    ) -> None:
        """Store the data at each of `config.speeds`.

        Args:
            by_speed: Data at each speed, with the same utterances in the same order.
            config: Augmentation and mixup.
            deviation_of_level: Standard deviation of the first coefficient, in units of its change per decibel;
                infinite where frames have no such coefficient.
            generator: Random number generator.
        """
        self._by_speed = by_speed
        self._config = config.augmentation
        self._mixup = config.mixup
        self._gain = config.augmentation.gain_db / deviation_of_level
        self._generator = generator

    def batch(self, utterances: Tensor) -> Batch:
        """Augmented batch of some utterances, (batch,) int64."""
        data = self._by_speed[int(torch.randint(len(self._by_speed), (1,), generator=self._generator))]
        batch = data.batch(utterances)
        rows = batch.utterance_of_row
        frames = batch.frames.data + self._offsets(batch)[rows]
        if self._config.coefficient_dropout:
            size = (len(batch.labels), frames.shape[1])
            frames = frames * (self._uniform(size, frames) >= self._config.coefficient_dropout)[rows]
        if self._config.frame_noise:
            frames = frames + self._config.frame_noise * self._normal(frames.shape, frames)
        if self._config.segment_dropout:
            kept = self._uniform(batch.frame_counts.shape, frames) >= self._config.segment_dropout
            frames = frames * kept[batch.segment_of_row].unsqueeze(1)
        dropped = (self._uniform(batch.words.shape, frames) < self._config.word_dropout) & batch.mask
        words = batch.words.masked_fill(dropped, UNKNOWN)
        mix = Mix.draw(len(batch.labels), self._mixup, self._generator).to(frames.device) if self._mixup else None
        return replace(batch, frames=batch.frames._replace(data=frames), words=words, mix=mix)

    def _offsets(self, batch: Batch) -> Tensor:
        """Offsets added to all frames of an utterance, (batch, frame size)."""
        size = (len(batch.labels), batch.frames.data.shape[1])
        offsets = self._config.colour * self._normal(size, batch.frames.data)
        offsets[:, 0] += self._gain * self._normal(size[:1], batch.frames.data)
        return offsets

    def _normal(self, size: Sequence[int], like: Tensor) -> Tensor:
        return torch.randn(tuple(size), generator=self._generator).to(like)

    def _uniform(self, size: Sequence[int], like: Tensor) -> Tensor:
        return torch.rand(tuple(size), generator=self._generator).to(like.device)
