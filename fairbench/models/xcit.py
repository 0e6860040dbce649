"""XCiT-S12 for 32x32 images (El-Nouby et al. 2021; Debenedetti et al. 2023), made of the parts of timm."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fairbench.compat import import_torchvision
from fairbench.models.network import Network

_WIDTH, _DEPTH, _HEADS = 384, 12, 8
_FULL_SIZE_CONVOLUTIONS = (0, 2)
"""The first two of the four convolutions of the stem keep the size: 32x32 pixels become 8x8 tokens, not 2x2."""


def _timm_xcit() -> Any:
    import_torchvision()  # timm needs it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("timm.models.xcit")


class XcitS12(Network):
    """Cross-covariance attention between channels, twelve blocks and two that gather the class token."""

    smallest_side: ClassVar[int] = 4
    last_layer_name: ClassVar[str] = "head"

    def __init__(self, architecture: str, *, num_classes: int, image_shape: tuple[int, int, int]) -> None:
        super().__init__(architecture, image_shape)
        whole = _timm_xcit().Xcit(
            img_size=32,
            patch_size=16,
            in_chans=image_shape[0],
            num_classes=num_classes,
            embed_dim=_WIDTH,
            depth=_DEPTH,
            num_heads=_HEADS,
            eta=1.0,
            tokens_norm=True,
        )
        for number in _FULL_SIZE_CONVOLUTIONS:
            whole.patch_embed.proj[number][0].stride = (1, 1)
        self.patch_embed: nn.Module = whole.patch_embed
        self.pos_embed: nn.Module = whole.pos_embed
        self.cls_token: nn.Parameter = whole.cls_token
        self.blocks: nn.ModuleList = whole.blocks
        self.cls_attn_blocks: nn.ModuleList = whole.cls_attn_blocks
        self.norm: nn.Module = whole.norm
        self.head: nn.Linear = whole.head

    def features(self, x: Tensor) -> Tensor:
        """(B, 384), the class token."""
        tokens, (height, width) = self.patch_embed(x)
        places = self.pos_embed(len(x), height, width).reshape(len(x), -1, tokens.shape[1]).permute(0, 2, 1)
        tokens = tokens + places
        for block in self.blocks:
            tokens = block(tokens, height, width)
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], dim=1)
        for block in self.cls_attn_blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, 0]

    @classmethod
    def from_public_names(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The official files name the position code otherwise and keep query, key and value in one matrix."""
        renamed: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            if name.startswith("cls_attn_blocks.") and ".attn.qkv." in name and len(tensor) % 3 == 0:
                for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                    renamed[name.replace(".qkv.", f".{letter}.")] = part
            else:
                renamed[name.replace("pos_embeder.", "pos_embed.")] = tensor
        return renamed
