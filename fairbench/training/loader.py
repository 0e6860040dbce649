"""Batches of augmented images, all on the device."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from fairbench.data import Split, augment, to_unit
from fairbench.protocol.track import Augmentation, Schedule
from fairbench.training.seeds import generator_for


class EpochLoader:
    """One pass over a split in random order; the last, smaller batch is kept, as all the papers do."""

    def __init__(self, split: Split, schedule: Schedule, augmentation: Augmentation, device: torch.device) -> None:
        self.images, self.labels = split.images.to(device), split.labels.to(device)
        self.schedule, self.augmentation = schedule, augmentation

    def __len__(self) -> int:
        batches = math.ceil(len(self.labels) / self.schedule.batch_size)
        return min(batches, self.schedule.steps_per_epoch or batches)

    def example(self) -> Tensor:
        """The first images of the split, as many as a batch has, (B, C, H, W) float in [0, 1]."""
        return to_unit(self.images[: self.schedule.batch_size])

    def draw_order(self, generator: torch.Generator) -> Tensor:
        """A random order of the split: (N,) int64.

        Args:
            generator: on the device.
        """
        return torch.randperm(len(self.labels), generator=generator, device=self.labels.device)

    def batches(self, order: Tensor, generator: torch.Generator, *, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield x (B, C, H, W) float in [0, 1] and y (B,).

        Args:
            order: of the split, (N,) int64.
            generator: on the device, as the batches before ``first`` left it; decides crops and flips.
            first: how many batches of this order are done already.
        """
        for chosen in order.split(self.schedule.batch_size)[first : len(self)]:
            images = augment(
                self.images[chosen],
                crop_padding=self.augmentation.crop_padding,
                padding_mode=self.augmentation.padding_mode,
                flip=self.augmentation.flip,
                generator=generator,
            )
            yield images, self.labels[chosen]

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch in an order of its own; both come from the generator."""
        return self.batches(self.draw_order(generator), generator)

    def images_again(self, epoch: int) -> Iterator[Tensor]:
        """The augmented images without labels, from random numbers of their own: a look moves nothing else.

        Args:
            epoch: how many epochs are done; decides order, crops and flips.
        """
        generator = generator_for(0, f"images again/{epoch}", self.labels.device)
        return (images for images, _ in self.epoch(generator))
