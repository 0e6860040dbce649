"""Rewrites of a traced network that change its speed and only its rounding."""

from __future__ import annotations

import operator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fairbench.attacks.rectified import rectify_


def drop_identities(graph: fx.GraphModule) -> None:
    """Leave out a subtraction of zeros and a division by ones: a normalisation that was never set.

    Args:
        graph: a traced network; changed.
    """
    neutral = {operator.sub: 0, operator.truediv: 1, torch.sub: 0, torch.div: 1}
    for node in list(graph.graph.nodes):
        if node.target not in neutral or len(node.args) != 2 or node.kwargs:
            continue
        value, constant = node.args
        if isinstance(constant, fx.Node) and constant.op == "get_attr":
            tensor = operator.attrgetter(str(constant.target))(graph)
            if bool((tensor == neutral[node.target]).all()):
                node.replace_all_uses_with(value)
                graph.graph.erase_node(node)
    graph.recompile()


def fold_batch_norm(graph: fx.GraphModule) -> None:
    """Fold each batch-norm in eval mode into the convolution right before it.

    Args:
        graph: a traced network; changed.
    """
    layers: dict[str, nn.Module] = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        source = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(source, fx.Node) or source.op != "call_module" or len(source.users) > 1:
            continue
        conv, norm = layers[str(source.target)], layers[str(node.target)]
        if type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.track_running_stats:
            graph.set_submodule(str(source.target), fuse_conv_bn_eval(conv, norm))
            node.replace_all_uses_with(source)
            graph.graph.erase_node(node)
    graph.recompile()


def flatten_channels_last(graph: fx.GraphModule, example: Tensor) -> None:
    """Flatten feature maps in their channels-last order before a linear layer, whose columns are permuted to match.

    Otherwise a channels-last network is copied to the other layout there, and its backward pass mixes both layouts,
    which makes the next activation some twenty times slower on a CPU.

    Args:
        graph: a traced network; changed.
        example: (1, C, H, W), to learn the shapes.
    """
    ShapeProp(graph).propagate(example)
    layers: dict[str, nn.Module] = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        if not flattens(node, layers) or len(node.users) != 1:
            continue
        (user,) = node.users
        shape = node.args[0].meta["tensor_meta"].shape
        linear = layers.get(str(user.target)) if user.op == "call_module" else None
        if type(linear) is not nn.Linear or len(shape) != 4 or linear.in_features != shape[1:].numel():
            continue
        order = torch.arange(linear.in_features).view(shape[1:]).permute(1, 2, 0).flatten()
        linear.weight.data = linear.weight.data[:, order.to(linear.weight.device)].contiguous()
        with graph.graph.inserting_before(node):
            flat = graph.graph.call_function(channels_last_flatten, (node.args[0],))
        node.replace_all_uses_with(flat)
        graph.graph.erase_node(node)
    graph.recompile()


def rectify_in_place(graph: fx.GraphModule) -> None:
    """Let a ReLU overwrite what a layer or a sum has just made for it alone; no backward pass needs that.

    Args:
        graph: a traced network; changed.
    """
    layers: dict[str, nn.Module] = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        source = node.args[0] if node.args and rectifies(node, layers) else None
        if isinstance(source, fx.Node) and len(source.users) == 1 and makes_its_output(source, layers):
            with graph.graph.inserting_before(node):
                rectified = graph.graph.call_function(rectify_, (source,))
            node.replace_all_uses_with(rectified)
            graph.graph.erase_node(node)
    graph.recompile()


def rectifies(node: fx.Node, layers: dict[str, nn.Module]) -> bool:
    """Whether a node is a ReLU."""
    if node.op == "call_module":
        return type(layers[str(node.target)]) is nn.ReLU
    return node.target in (F.relu, torch.relu, "relu")


def makes_its_output(node: fx.Node, layers: dict[str, nn.Module]) -> bool:
    """Whether a node gives a tensor of its own, which its backward pass does not look at."""
    if node.op == "call_module":
        return type(layers[str(node.target)]) in (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
    return node.target in (operator.add, torch.add)


def channels_last_flatten(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H W C)."""
    return features.permute(0, 2, 3, 1).flatten(1)


def flattens(node: fx.Node, layers: dict[str, nn.Module]) -> bool:
    """Whether a node flattens everything but the batch."""
    if node.op == "call_module":
        layer = layers[str(node.target)]
        return isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) == (1, -1)
    return node.args[1:] == (1,) and not node.kwargs and node.target in (torch.flatten, "flatten")
