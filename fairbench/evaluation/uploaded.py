"""Adversarial examples that were made elsewhere: read, checked, and merged into what is known of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor

from fairbench.data import to_unit
from fairbench.errors import UsageError
from fairbench.evaluation.battery import Condition, Perturbed
from fairbench.evaluation.journal import ConditionLog
from fairbench.evaluation.material import Material
from fairbench.evaluation.network import FixedShape
from fairbench.files import sha256_file
from fairbench.protocol.conditions import CONDITIONS, UPLOADED

TOLERANCE = 1e-6
_FORMS = "a .npz or .safetensors with x_adv and, for a part of the test set, indices; or a .npy with all images"


@dataclass(frozen=True, kw_only=True)
class UploadedExamples:
    """The examples of a file, checked."""

    x_adv: Tensor
    """(n, C, H, W) float32 in [0, 1], each within epsilon of its image."""
    indices: NDArray[np.int64]
    """(n,) their positions in the test split."""
    sha256: str


def read_uploaded(path: Path, material: Material, eps: float) -> UploadedExamples:
    """The examples of a file, each one checked against its test image.

    Args:
        path: ``.npz`` or ``.safetensors`` with ``x_adv`` (n, C, H, W) float in [0, 1] and ``indices`` (n,) integers,
            or ``.npy`` with ``x_adv`` of the whole test split; nothing that holds code is read.
        material: the test images.
        eps: L-infinity radius in pixel units of [0, 1].

    Raises:
        UsageError: if the file cannot be read, or an example is out of place, out of the box or out of the ball.
    """
    arrays = _arrays(path)
    x_adv, indices = arrays.get("x_adv"), arrays.get("indices")
    total, shape = len(material.labels), tuple(material.images.shape[1:])
    if x_adv is None or x_adv.ndim != 4 or x_adv.shape[1:] != shape or x_adv.dtype.kind != "f":
        came = "no x_adv" if x_adv is None else f"{x_adv.shape} {x_adv.dtype}"
        raise UsageError(f"{path}: expected x_adv of shape (n, {', '.join(map(str, shape))}), floats, got {came}")
    if indices is None:
        if len(x_adv) != total:
            raise UsageError(f"{path}: {len(x_adv)} examples for {total} test images; give their places as indices")
        indices = np.arange(total)
    if indices.shape != (len(x_adv),) or indices.dtype.kind not in "iu":
        raise UsageError(f"{path}: expected {len(x_adv)} integer indices, got {indices.shape} {indices.dtype}")
    if len(np.unique(indices)) < len(indices) or not len(indices) or indices.min() < 0 or indices.max() >= total:
        raise UsageError(f"{path}: expected different indices in 0..{total - 1}, at least one")
    places = torch.from_numpy(indices.astype(np.int64))
    clean = to_unit(material.images[places.to(material.images.device)]).cpu()
    examples = torch.from_numpy(x_adv.astype(np.float32))
    _check_examples(path, examples, clean, indices, eps)
    # Rounding of the file's own precision must not carry an example over the edge.
    return UploadedExamples(
        x_adv=torch.clamp(examples, (clean - eps).clamp(min=0), (clean + eps).clamp(max=1)),
        indices=indices.astype(np.int64),
        sha256=sha256_file(path),
    )


def uploaded_condition(examples: UploadedExamples, eps: float) -> Condition:
    """The condition that shows a model the examples, and the images as they are where there is none.

    Args:
        examples: checked ones.
        eps: their radius.
    """
    row_of = {int(index): row for row, index in enumerate(examples.indices)}

    def perturb(model: FixedShape, x: Tensor, y: Tensor, indices: Tensor) -> Perturbed:
        x_adv = x.clone()
        for place, index in enumerate(indices.tolist()):
            if index in row_of:
                x_adv[place] = examples.x_adv[row_of[index]].to(x)
        return Perturbed(x_adv)

    settings = {"epsilon": eps, "uploaded": len(examples.indices), "file_sha256": examples.sha256}
    return Condition(name=UPLOADED, epsilon=eps, settings=settings, perturb=perturb)


def strongest_known(
    logs: Mapping[str, ConditionLog], labels: NDArray[np.int64], positions: NDArray[np.int64], eps: float
) -> tuple[list[int], list[str]]:
    """The worst of all that was tried at one radius, image by image.

    Args:
        logs: finished conditions.
        labels: (N,) of the whole split.
        positions: (n,) of the images wanted; only conditions that saw all of them count.
        eps: the radius.

    Returns:
        The answers at the positions, a wrong one where any attack got one, and the names of the conditions merged.
    """
    answers, merged = labels[positions].copy(), []
    for name in (UPLOADED, *reversed(list(CONDITIONS))):
        log = logs.get(name)
        if log is None or log.settings.get("epsilon") != eps:
            continue
        found = np.full(len(labels), -1, dtype=np.int64)
        found[np.arange(len(labels)) if log.indices is None else np.array(log.indices)] = log.predicted
        if (found[positions] < 0).any():
            continue
        still_right = answers == labels[positions]
        answers = np.where(still_right, found[positions], answers)
        merged.append(name)
    return answers.tolist(), merged


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"x_adv": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    except (ValueError, KeyError, EOFError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
    raise UsageError(f"cannot read the adversarial examples in {path}: {reason}; expected {_FORMS}")


def _check_examples(path: Path, examples: Tensor, clean: Tensor, indices: NDArray[np.int64], eps: float) -> None:
    bad = ~torch.isfinite(examples).flatten(1).all(dim=1)
    low, high = examples.flatten(1).amin(dim=1), examples.flatten(1).amax(dim=1)
    outside = torch.maximum(-low, high - 1) > TOLERANCE
    distance = (examples - clean).abs().flatten(1).amax(dim=1)
    for flags, words in (
        (bad, lambda i: "holds NaN or infinite pixels"),
        (outside, lambda i: f"has pixels {float(low[i]):.4g}..{float(high[i]):.4g}, expected 0..1"),
        (
            distance > eps + TOLERANCE,
            lambda i: f"is {float(distance[i]):.6g} from its image, expected at most {eps:.6g}",
        ),
    ):
        if bool(flags.any()):
            first = int(flags.nonzero()[0])
            raise UsageError(
                f"{path}: the example of test image {int(indices[first])} {words(first)} ({int(flags.sum())} such)"
            )
