"""Networks by name."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import torch

from fairbench.errors import unknown_name
from fairbench.models.mobilenet import MobileNetV2
from fairbench.models.network import Network
from fairbench.models.preact_resnet import PreActResNet18
from fairbench.models.resnet import ResNet18
from fairbench.models.small import SmallCNN, TinyCNN
from fairbench.models.swish_wide_resnet import SwishWideResNet
from fairbench.models.wide_resnet import WideResNet


class _Builder(Protocol):
    def __call__(self, architecture: str, *, num_classes: int, image_shape: tuple[int, int, int]) -> Network: ...


def _xcit_s12(architecture: str, *, num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    # timm is large and slow to import, and only this network needs it.
    builder = importlib.import_module("fairbench.models.xcit").XcitS12
    return builder(architecture, num_classes=num_classes, image_shape=image_shape)


_ARCHITECTURES: dict[str, _Builder] = {
    "cnn_tiny": TinyCNN,
    "cnn_small": SmallCNN,
    "prn18": PreActResNet18,
    "prn18_no_final_bn": partial(PreActResNet18, final_bn=False),
    "prn18_input_shortcut": partial(PreActResNet18, shortcut_from="input"),
    "prn18_input_shortcut_no_final_bn": partial(PreActResNet18, final_bn=False, shortcut_from="input"),
    "rn18": ResNet18,
    "mobilenet_v2": MobileNetV2,
    "wrn28_10": partial(WideResNet, depth=28, widen=10),
    "wrn34_10": partial(WideResNet, depth=34, widen=10),
    "wrn34_20": partial(WideResNet, depth=34, widen=20),
    "wrn28_10_swish": partial(SwishWideResNet, depth=28, widen=10),
    "wrn70_16": partial(SwishWideResNet, depth=70, widen=16),
    "xcit_s12": _xcit_s12,
}


def model_names() -> list[str]:
    """The names of all networks."""
    return list(_ARCHITECTURES)


def create_model(
    name: str,
    *,
    num_classes: int = 10,
    image_shape: tuple[int, int, int] = (3, 32, 32),
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    seed: int = 0,
) -> Network:
    """A new network on the CPU, in training mode, the same for the same seed whatever was drawn before.

    Args:
        name: one of ``model_names()``.
        num_classes: K.
        image_shape: (C, H, W).
        mean: subtracted first, one number per channel; None is 0.
        std: divided by, one number per channel; None is 1.
        seed: of the initial weights.

    Raises:
        UsageError: for an unknown name, an image shape the network cannot take, or a normalisation that does not fit.
        ValueError: if there is no class.
    """
    if name not in _ARCHITECTURES:
        raise unknown_name("network", name, _ARCHITECTURES)
    if num_classes < 1:
        raise ValueError(f"a network needs at least one class, got num_classes = {num_classes}")
    # The layers draw from the global generator; it is put back, and the generators of other devices are not touched.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = _ARCHITECTURES[name](name, num_classes=num_classes, image_shape=image_shape)
    if mean is not None or std is not None:
        channels = image_shape[0]
        network.set_normalisation(mean or [0.0] * channels, std or [1.0] * channels)
    return network
