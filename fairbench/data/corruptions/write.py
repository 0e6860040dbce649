"""Write the corrupted test images of a data set in the layout of CIFAR-10-C."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fairbench.data.corruptions.corrupt import corrupt
from fairbench.data.corruptions.manifest import (
    LABELS_NAME,
    MANIFEST_NAME,
    START_OVER,
    Manifest,
    read_manifest,
    write_manifest,
)
from fairbench.data.dataset import Dataset
from fairbench.errors import UsageError, unknown_name
from fairbench.files import replacing, sha256_file
from fairbench.locks import claimed
from fairbench.progress import Bar, Progress, Silent
from fairbench.protocol.corruptions import CORRUPTIONS, SEVERITIES

_IMAGES_PER_JOB = 256
_JOBS_AHEAD = 16
_LOCK_NAME = ".corrupt.lock"


def write_corrupted(
    dataset: Dataset,
    folder: Path,
    *,
    types: Sequence[str] = tuple(CORRUPTIONS),
    seed: int = 0,
    fresh: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Write ``<type>.npy`` of 5 N images for each type, ``labels.npy`` and ``manifest.json``; what is there is kept.

    Args:
        dataset: its N test images are corrupted.
        folder: where the arrays go, (5 N, H, W, 3) or (5 N, H, W) uint8, severity 1 first.
        types: which of ``CORRUPTIONS``.
        seed: of everything that is drawn.
        fresh: throw away what an earlier call wrote there.
        threads: how many work together; None is one for each core. They change no byte.
        progress: who is told how it goes.

    Raises:
        UsageError: for an unknown type, images too small, or a folder that is about other data, holds foreign files
            or cannot be written.
    """
    for name in types:
        if name not in CORRUPTIONS:
            raise unknown_name("corruption", name, CORRUPTIONS)
    progress = progress or Silent()
    images = _test_images(dataset)
    try:
        corrupt(images[:1], "contrast", 1)
    except ValueError as error:
        raise UsageError(f"cannot corrupt {dataset.name}: {error}") from None
    wanted = Manifest(
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        images=len(images),
        image_shape=list(images.shape[1:]),
        seed=seed,
    )
    with claimed(folder, folder / _LOCK_NAME, progress), ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        manifest = _begun(folder, wanted, fresh=fresh)
        missing = [name for name in types if not is_whole(folder, f"{name}.npy", manifest)]
        if not is_whole(folder, LABELS_NAME, manifest):
            labels = tiled_labels(dataset)
            manifest = _finish(folder, manifest, LABELS_NAME, [labels], shape=labels.shape, dtype=labels.dtype)
        shape = (len(SEVERITIES) * len(images), *images.shape[1:])
        with progress.bar("corrupt", len(missing) * shape[0]) as bar:
            for name in missing:
                parts = _advancing(_corrupted(images, name, seed, pool), bar, name)
                manifest = _finish(folder, manifest, f"{name}.npy", parts, shape=shape, dtype=images.dtype)
    return manifest


def _test_images(dataset: Dataset) -> NDArray[np.uint8]:
    """(N, H, W, 3), or (N, H, W) of grey images."""
    images = dataset.test.images.cpu().numpy().transpose(0, 2, 3, 1)
    return images[..., 0] if images.shape[3] == 1 else images


def tiled_labels(dataset: Dataset) -> NDArray[np.integer]:
    """The labels of the test images once for each severity, (5 N,), uint8 where they fit."""
    labels = np.tile(dataset.test.labels.cpu().numpy(), len(SEVERITIES))
    return labels.astype(np.uint8 if dataset.num_classes <= 256 else np.int16)


def _begun(folder: Path, wanted: Manifest, *, fresh: bool) -> Manifest:
    """The folder's manifest, or a new one in a folder that holds no arrays."""
    before = read_manifest(folder)
    if before is None:
        if any(folder.glob("*.npy")):
            raise UsageError(f"{folder} holds arrays but no {MANIFEST_NAME}; choose another folder with --out")
        write_manifest(folder, wanted)
        return wanted
    if fresh:
        for name in before.sha256:
            (folder / name).unlink(missing_ok=True)
        write_manifest(folder, wanted)
        return wanted
    had, asked = (one.model_dump(exclude={"sha256"}) for one in (before, wanted))
    for key, value in asked.items():
        if had[key] != value:
            raise UsageError(f"{folder} was made with {key} = {had[key]}, now it is {value}; {START_OVER}")
    return before


def is_whole(folder: Path, name: str, manifest: Manifest) -> bool:
    """Whether a file is the one that its manifest speaks of."""
    path = folder / name
    return name in manifest.sha256 and path.is_file() and sha256_file(path) == manifest.sha256[name]


def _corrupted(
    images: NDArray[np.uint8], name: str, seed: int, pool: ThreadPoolExecutor
) -> Iterator[NDArray[np.uint8]]:
    """The corrupted images in order, some at a time; only a few parts are in memory."""

    def part(job: tuple[int, int]) -> NDArray[np.uint8]:
        severity, start = job
        chosen = np.arange(start, min(start + _IMAGES_PER_JOB, len(images)))
        return corrupt(images[chosen], name, severity, seed, chosen)

    jobs = itertools.product(SEVERITIES, range(0, len(images), _IMAGES_PER_JOB))
    running = deque(pool.submit(part, job) for job in itertools.islice(jobs, _JOBS_AHEAD))
    while running:
        yield running.popleft().result()
        running.extend(pool.submit(part, job) for job in itertools.islice(jobs, 1))


def _advancing(parts: Iterable[NDArray[np.uint8]], bar: Bar, name: str) -> Iterator[NDArray[np.uint8]]:
    for part in parts:
        yield part
        bar.advance(len(part), note=name)


def _finish(
    folder: Path,
    manifest: Manifest,
    name: str,
    parts: Iterable[NDArray],
    *,
    shape: tuple[int, ...],
    dtype: np.dtype,
) -> Manifest:
    """Write one array, then the manifest that knows it."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    )
    digest = hashlib.sha256(header.getvalue())
    with replacing(folder / name) as temporary, temporary.open("wb") as stream:
        stream.write(header.getvalue())
        for part in parts:
            content = part.tobytes()
            digest.update(content)
            stream.write(content)
    manifest = manifest.model_copy(update={"sha256": {**manifest.sha256, name: digest.hexdigest()}})
    write_manifest(folder, manifest)
    return manifest
