"""A network written anew for speed: the same function of the same weights, up to rounding.

Batch norms are shared with the network, so their mode and their statistics are one. The weights of convolutions and
linear layers are rounded and rearranged copies, which ``refresh`` brings up to date.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from fairbench.attacks.folding import channels_last_flatten, drop_identities, flattens
from fairbench.attacks.strided import PhaseConv

_LAST = torch.float32
"""type of the last linear layer: rounded logits would hide small differences between an image and its neighbour."""


class RoundedConv(nn.Module):
    """A convolution in another precision and in the channels-last format."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, source: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        weight = source.weight.detach().to(dtype, copy=True)
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", None if source.bias is None else source.bias.detach().to(dtype, copy=True))
        self.geometry: tuple[Any, ...] = (source.stride, source.padding, source.dilation, source.groups)

    def follow(self, source: nn.Conv2d) -> None:
        """Take over the weights."""
        self.weight.copy_(source.weight)
        if self.bias is not None and source.bias is not None:
            self.bias.copy_(source.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H', W')."""
        return F.conv2d(_laid_out(x, self.weight), self.weight, self.bias, *self.geometry)


class RoundedPhaseConv(PhaseConv):
    """A strided convolution from few channels in another precision, with a faster backward pass."""

    def __init__(self, source: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__(source)
        self.to(dtype=dtype, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H', W')."""
        return super().forward(_laid_out(x, self.weight))


class RoundedLinear(nn.Module):
    """A linear layer in another precision, its columns perhaps in another order."""

    weight: Tensor
    bias: Tensor | None
    order: Tensor | None

    def __init__(self, source: nn.Linear, dtype: torch.dtype, order: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("order", None if order is None else order.to(source.weight.device))
        self.register_buffer("weight", self._arranged(source.weight.detach()).to(dtype, copy=True))
        self.register_buffer("bias", None if source.bias is None else source.bias.detach().to(dtype, copy=True))

    def follow(self, source: nn.Linear) -> None:
        """Take over the weights."""
        self.weight.copy_(self._arranged(source.weight))
        if self.bias is not None and source.bias is not None:
            self.bias.copy_(source.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) -> (B, K)."""
        return F.linear(x.to(self.weight.dtype), self.weight, self.bias)

    def _arranged(self, weight: Tensor) -> Tensor:
        return weight if self.order is None else weight[:, self.order]


def _laid_out(x: Tensor, weight: Tensor) -> Tensor:
    return x.to(weight.dtype, memory_format=torch.channels_last)


class Twin:
    """A network for asking what its images would need to be, not for learning: its weights are constants."""

    def __init__(self, network: nn.Module, dtype: torch.dtype, example: Tensor) -> None:
        """Rewrite a network.

        Args:
            network: traceable, in eval mode.
            dtype: of all layers but the last linear one.
            example: (1, C, H, W), to learn the shapes.

        Raises:
            Exception: whatever tracing a foreign network raises.
        """
        graph = fx.symbolic_trace(network)
        drop_identities(graph)
        with torch.no_grad():
            ShapeProp(graph).propagate(example)
        self.graph = graph
        self.sources: list[tuple[Any, nn.Module]] = []
        """each copy of weights, and the layer whose weights they are."""
        self._replace_layers(dtype)

    @torch.no_grad()
    def refresh(self) -> None:
        """Bring every copy of a weight up to date."""
        for follower, source in self.sources:
            follower.follow(source)

    def __call__(self, x: Tensor) -> Tensor:
        """Logits: (B, C, H, W) -> (B, K)."""
        return self.graph.forward(x)

    def _replace_layers(self, dtype: torch.dtype) -> None:
        layers: dict[str, nn.Module] = dict(self.graph.named_modules())
        nodes = [node for node in self.graph.graph.nodes if node.op == "call_module"]
        linear = [node for node in nodes if type(layers[str(node.target)]) is nn.Linear]
        for node in nodes:
            layer = layers[str(node.target)]
            if type(layer) is nn.Conv2d:
                new = (RoundedPhaseConv if PhaseConv.fits(layer) else RoundedConv)(layer, dtype)
            elif type(layer) is nn.Linear:
                order = _flatten_channels_last(self.graph, node, layers)
                new = RoundedLinear(layer, _LAST if node is linear[-1] else dtype, order)
            else:
                continue
            self.graph.set_submodule(str(node.target), new)
            self.sources.append((new, layer))
        self.graph.recompile()


def _flatten_channels_last(graph: fx.GraphModule, linear: fx.Node, layers: dict[str, nn.Module]) -> Tensor | None:
    """Let the flattening before a linear layer follow the format; the order that its columns get by that."""
    node = linear.args[0]
    if not isinstance(node, fx.Node) or not flattens(node, layers) or len(node.users) != 1:
        return None
    features = node.args[0]
    assert isinstance(features, fx.Node)
    shape = features.meta["tensor_meta"].shape
    if len(shape) != 4:
        return None
    with graph.graph.inserting_before(node):
        flat = graph.graph.call_function(channels_last_flatten, (features,))
    node.replace_all_uses_with(flat)
    graph.graph.erase_node(node)
    return torch.arange(shape[1:].numel()).view(shape[1:]).permute(1, 2, 0).flatten()
