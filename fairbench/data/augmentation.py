"""Random crop and flip of a whole batch at once, on the device where the images lie."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor


def to_unit(images: Tensor) -> Tensor:
    """Bytes as numbers in [0, 1].

    Args:
        images: (..., C, H, W) uint8.

    Returns:
        The same shape, float32.
    """
    return images.to(torch.float32).div_(255)


def augment(
    images: Tensor,
    *,
    crop_padding: int,
    padding_mode: Literal["zero", "reflect"] = "zero",
    flip: bool,
    generator: torch.Generator,
) -> Tensor:
    """Each image padded, cut out at its own random place, and mirrored with probability 1/2.

    Args:
        images: (B, C, H, W) uint8.
        crop_padding: pixels added on each side before the cut; 0 cuts nothing.
        padding_mode: black pixels, or the image mirrored at its border.
        flip: whether to mirror left and right.
        generator: draws offsets and flips; on any device.

    Returns:
        (B, C, H, W) float32 in [0, 1].

    Raises:
        ValueError: if the padding is negative, or as large as the image when it reflects.
    """
    batch, channels, height, width = images.shape
    _check_padding(crop_padding, padding_mode, min(height, width))
    if not crop_padding and not flip:
        return to_unit(images)

    def draw(high: int, count: int) -> Tensor:
        numbers = torch.randint(high, (count, batch, 1), generator=generator, device=generator.device)
        return numbers.to(images.device, non_blocking=True)

    top, left = draw(2 * crop_padding + 1, 2) if crop_padding else torch.zeros(2, batch, 1, device=images.device).long()
    rows, columns = (torch.arange(size, device=images.device).expand(batch, -1) for size in (height, width))
    if flip:
        columns = torch.where(draw(2, 1)[0].bool(), width - 1 - columns, columns)
    padding = (crop_padding,) * 4
    padded = F.pad(images, padding, mode="reflect" if padding_mode == "reflect" else "constant")
    # One gather of bytes by the flat position of each pixel in the padded image.
    pixels = (rows + top)[:, :, None] * padded.shape[-1] + (columns + left)[:, None, :]
    chosen = padded.flatten(2).gather(2, pixels.view(batch, 1, -1).expand(-1, channels, -1))
    return to_unit(chosen.view(images.shape))


def _check_padding(crop_padding: int, padding_mode: str, side: int) -> None:
    if crop_padding < 0 or (padding_mode == "reflect" and crop_padding >= side):
        raise ValueError(f"crop padding {crop_padding} does not fit images of side {side} ({padding_mode} padding)")
