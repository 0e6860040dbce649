"""The network under evaluation: borrowed, frozen, exact, and asked in micro-batches of one fixed shape."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from fairbench.attacks import Prepared
from fairbench.attacks.effort import Report, silent
from fairbench.errors import UsageError, WorkError


class FixedShape:
    """A network that only ever sees batches of one shape.

    The same image in a batch of another size can get logits that differ in their last bits, because libraries choose
    their algorithms by shape; a verdict on the edge then depends on the company an image keeps. Here every question is
    cut into micro-batches of one size, the last one filled up by repeating an image whose answers are dropped.
    """

    def __init__(self, network: nn.Module, micro_batch: int, prepared: Prepared | None = None) -> None:
        self.network = network
        self.micro_batch = micro_batch
        self.prepared = prepared
        """what searches ask in its place; None leaves it to each search to make that."""
        self.report: Report = silent
        """who is told how far a search has come."""

    def __call__(self, x: Tensor) -> Tensor:
        """The logits (B, K) of images (B, C, H, W); differentiable with respect to the images.

        Raises:
            WorkError: if the network does not answer a row of numbers for each image.
        """
        count = len(x)
        missing = -count % self.micro_batch if count else self.micro_batch
        if missing:
            filler = x[-1:] if count else x.new_zeros(1, *x.shape[1:])
            x = torch.cat([x, filler.expand(missing, *x.shape[1:])])
        answers = [self.network(part) for part in x.split(self.micro_batch)]
        for answer in answers:
            self._check(answer)
        return torch.cat(answers)[:count] if len(answers) > 1 else answers[0][:count]

    def _check(self, answer: object) -> None:
        if not isinstance(answer, Tensor) or answer.ndim != 2 or len(answer) != self.micro_batch:
            came = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            raise WorkError(
                f"the model answers {came} to {self.micro_batch} images, expected logits of shape "
                f"({self.micro_batch}, K); give a model that returns its logits alone"
            )


def probe(logits_of: FixedShape, x: Tensor, num_classes: int) -> None:
    """Ask the network once and refuse it if it is not one for these images and classes.

    Args:
        logits_of: the network.
        x: (B, C, H, W), at least one image.
        num_classes: K.

    Raises:
        UsageError: if it does not take the images, answers another number of classes, or answers NaN.
        WorkError: if its answer is not a matrix of logits.
    """
    try:
        with torch.no_grad():
            logits = logits_of(x)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise UsageError(
            f"the model cannot take images of shape {tuple(x.shape[1:])} ({first_line}); "
            "give it the data set that it was trained on"
        ) from error
    if logits.shape[1] != num_classes:
        raise UsageError(
            f"the model answers {logits.shape[1]} classes, the data has {num_classes}; give a model for these classes"
        )
    if not torch.isfinite(logits).all():
        raise UsageError("the model answers NaN or infinite logits to unchanged images; its weights are broken")


@contextmanager
def borrowed(model: nn.Module, device: torch.device | str | None = None) -> Iterator[torch.device]:
    """The model in eval mode, frozen, on a device, in exact float32; all as it was afterwards, random numbers too.

    Args:
        model: the network; modes of all its modules, ``requires_grad`` of its parameters and its device are put back.
        device: where to compute; None stays where the model is.

    Yields:
        The device.

    Raises:
        UsageError: if it is no module, or not float32.
    """
    if not isinstance(model, nn.Module):
        raise UsageError(f"expected a torch.nn.Module, got {type(model).__name__}; wrap the function in a module")
    _check_float32(model)
    home = next((tensor.device for tensor in model.state_dict().values() if isinstance(tensor, Tensor)), None)
    place = torch.device(device) if device is not None else home or torch.device("cpu")
    modes = {module: module.training for module in model.modules()}
    flags = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        model.eval()
        for parameter in flags:
            parameter.requires_grad_(False)
        if place != home:
            model.to(place)
        # A network that draws random numbers draws from a stream of its own.
        with exact_float32(place), torch.random.fork_rng([place] if place.type == "cuda" else []):
            yield place
    finally:
        if home is not None and place != home:
            model.to(home)
        for module, training in modes.items():
            module.training = training
        for parameter, wanted in flags.items():
            parameter.requires_grad_(wanted)


@contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """No autocast, no TF32, no algorithms chosen by a race; as it was afterwards."""
    precision = torch.get_float32_matmul_precision()
    with ExitStack() as stack:
        stack.callback(torch.set_float32_matmul_precision, precision)
        torch.set_float32_matmul_precision("highest")
        stack.enter_context(torch.autocast(device.type, enabled=False))
        if device.type == "cuda":
            stack.enter_context(
                torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
            )
        yield


def _check_float32(model: nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise UsageError(f"expected float32 weights, {name} is {tensor.dtype}; convert the model with .float()")
