"""Batches of augmented images, all on the device."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from fairbench.data import Split, augment
from fairbench.protocol.track import Augmentation


class EpochLoader:
    """One pass over a split in random order; the last, smaller batch is kept, as all the papers do."""

    def __init__(self, split: Split, batch_size: int, augmentation: Augmentation, device: torch.device) -> None:
        self.images, self.labels = split.images.to(device), split.labels.to(device)
        self.batch_size, self.augmentation = batch_size, augmentation

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.batch_size)

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield x (B, C, H, W) float in [0, 1] and y (B,).

        Args:
            generator: on the device; decides order, crops and flips.
        """
        device = self.labels.device
        order = torch.randperm(len(self.labels), generator=generator, device=device)
        for chosen in order.split(self.batch_size):
            images = augment(
                self.images[chosen],
                crop_padding=self.augmentation.crop_padding,
                padding_mode=self.augmentation.padding_mode,
                flip=self.augmentation.flip,
                generator=generator,
            )
            yield images, self.labels[chosen]
