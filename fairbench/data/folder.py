"""Any image folder: train/<class>/* and test/<class>/*, all images of one size, all grey or all RGB."""

from __future__ import annotations

import io
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from fairbench.data.dataset import Arrays, RawDataset
from fairbench.errors import UsageError

_CHANNELS = {"L": 1, "RGB": 3}
_FILES_PER_JOB = 256


class _Form(NamedTuple):
    mode: str
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.mode}"


def read(place: Path) -> RawDataset:
    """Both splits; classes are the folders' names, sorted, and images are sorted by file name.

    Raises:
        UsageError: if a split or a class is missing or empty, or an image is damaged or of another size or mode.
    """
    classes = {split: _class_folders(place / split) for split in ("train", "test")}
    for present, absent in (("train", "test"), ("test", "train")):
        missing = sorted(set(classes[present]) - set(classes[absent]))
        if missing:
            raise UsageError(f"class {missing[0]!r} is in {place / present}, not in {place / absent}; add its images")
    files = {split: [_image_files(place / split / name) for name in classes[split]] for split in classes}
    form = _form_of(files["train"][0][0])
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        splits = {split: _decode_split(files[split], form, pool) for split in files}
    return RawDataset(tuple(classes["train"]), splits["train"], splits["test"])


def _class_folders(split: Path) -> list[str]:
    if not split.is_dir():
        raise UsageError(f"{split} does not exist; an image folder has train/<class>/ and test/<class>/")
    names = sorted(entry.name for entry in os.scandir(split) if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise UsageError(f"{split} has no class folders; put each class's images into {split / '<class>'}")
    return names


def _image_files(folder: Path) -> list[Path]:
    files = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    if not files:
        raise UsageError(f"class folder {folder} is empty; add images or remove the class from both splits")
    return [folder / name for name in files]


def _decode_split(files: list[list[Path]], form: _Form, pool: ThreadPoolExecutor) -> Arrays:
    paths = list(itertools.chain.from_iterable(files))
    pixels = np.empty((len(paths), form.height, form.width, _CHANNELS[form.mode]), np.uint8)

    def decode_from(start: int) -> None:
        for position, path in enumerate(paths[start : start + _FILES_PER_JOB], start):
            pixels[position] = _decode(path, form)

    # Consuming the results in order raises for the first bad file, whatever the threads found first.
    for _ in pool.map(decode_from, range(0, len(paths), _FILES_PER_JOB)):
        pass
    labels = np.repeat(np.arange(len(files)), [len(of_class) for of_class in files])
    return Arrays(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)), labels)


def _form_of(path: Path) -> _Form:
    image = _opened(path)
    if image.mode not in _CHANNELS:
        raise UsageError(f"{path} has mode {image.mode}; fairbench takes grey (L) or RGB images: convert them first")
    return _Form(image.mode, *image.size)


def _decode(path: Path, form: _Form) -> np.ndarray:
    image = _opened(path)
    came = _Form(image.mode, *image.size)
    if came != form:
        raise UsageError(f"{path} is {came}, the first image is {form}; bring all images to one size and mode")
    return np.frombuffer(image.tobytes(), np.uint8).reshape(form.height, form.width, -1)


def _opened(path: Path) -> Image.Image:
    """A decoded image."""
    try:
        image = Image.open(io.BytesIO(path.read_bytes()))
        image.load()
    except Exception as error:  # foreign bytes can break a decoder in any way
        reason = "unknown format" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise UsageError(f"{path} is no whole image ({reason}); replace or remove it") from None
    return image
