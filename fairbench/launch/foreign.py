"""Networks from other people's code: ``package.module:function``."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

from torch import nn

from fairbench.errors import UsageError, unknown_name


def is_foreign(name: str) -> bool:
    """Whether a name is written ``package.module:function``."""
    return ":" in name


def foreign_network(name: str, *, num_classes: int) -> nn.Module:
    """The network that a function of another package makes; its code runs.

    The current folder is searched for the package, too. A function that has a parameter ``num_classes`` is given it.

    Args:
        name: ``package.module:function``; a class is called like a function.
        num_classes: K of the data.

    Returns:
        a module that takes images (B, C, H, W) in [0, 1] and answers logits (B, K).

    Raises:
        UsageError: if the module does not import, has no such function, or the function fails or makes no network.
    """
    build = _function(name)
    try:
        takes_classes = "num_classes" in inspect.signature(build).parameters
        network = build(num_classes=num_classes) if takes_classes else build()
    except Exception as error:  # other people's code can fail in any way
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"--model {name} failed ({reason}); it should make a network when it is called") from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"--model {name} made a {type(network).__name__}, expected a torch.nn.Module")
    return network


def _function(name: str) -> Callable[..., Any]:
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise UsageError(f"cannot read --model {name!r}; the form is package.module:function")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # other people's code can fail in any way
        raise UsageError(
            f"--model {name}: cannot import {module_name} ({type(error).__name__}: {error}); "
            "install its package, or call from the folder that holds it"
        ) from error
    if not callable(getattr(module, attribute, None)):
        functions = [found for found, value in vars(module).items() if callable(value) and not found.startswith("_")]
        raise unknown_name(f"function of {module_name}", attribute, functions)
    return getattr(module, attribute)
