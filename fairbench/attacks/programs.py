"""Tensor code as a program that runs without Python, so that threads do not wait for its lock between operations."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

TRIALS = 2
"""A program is rewritten after its first runs; these and the next one must agree with the function."""

TensorFunction = Callable[..., Any]
"""Tensors -> a tensor or a tuple of them; may change its arguments."""


def program_of(function: TensorFunction, *examples: Tensor) -> TensorFunction:
    """A program that computes the bits of a function, or the function itself where none is to be had.

    Several threads may run it at the same time. It is made by the calling thread, while no other one warns.

    Args:
        function: without gradients; which operations it makes must not depend on what the tensors hold, nor on the
            first dimension of them, as far as the program will be asked.
        examples: its arguments, which stay as they are; half their rows are tried as well.
    """
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # TorchScript is no longer developed; where it is gone, or cannot follow, the function does.
            warnings.simplefilter("ignore")
            program: Any = torch.jit.trace(_plain(function), _copies(examples), check_trace=False)
            right = _agree(program, function, examples) and _agree(program, function, _half(examples))
    except torch.OutOfMemoryError:
        raise
    except Exception:  # foreign networks fail to be traced in ways that cannot be listed
        return function
    return program if right else function


def _plain(function: TensorFunction) -> TensorFunction:
    """With a name, which partial functions lack."""

    def plain(*tensors: Tensor) -> Any:
        return function(*tensors)

    return plain


def _copies(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(tensor.clone() for tensor in tensors)


def _bits(function: TensorFunction, examples: Sequence[Tensor]) -> list[Tensor]:
    arguments = _copies(examples)
    answer = function(*arguments)
    return [*arguments, *(answer if isinstance(answer, tuple) else (answer,))]


def _agree(program: TensorFunction, function: TensorFunction, examples: Sequence[Tensor]) -> bool:
    expected = _bits(function, examples)
    return all(
        torch.equal(mine, theirs)
        for _ in range(TRIALS)
        for mine, theirs in zip(_bits(program, examples), expected, strict=True)
    )


def _half(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor[: len(tensor) // 2] for tensor in tensors]
