"""Where the corrupted images of an evaluation come from: the published files, files written here, or the generator."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairbench.data.corruptions.constants import GENERATOR
from fairbench.data.corruptions.corrupt import corrupt, corruption_settings
from fairbench.data.corruptions.manifest import LABELS_NAME, Manifest, read_manifest
from fairbench.errors import UsageError
from fairbench.files import sha256_file
from fairbench.protocol.corruptions import SEVERITIES

_MOVE_AWAY = "move the folder away to have the images generated, or fetch it again"


@dataclass
class CorruptionSource:
    """Gives corrupted images by position, from files where there are any."""

    seed: int = 0
    """of the generator."""
    folder: Path | None = None
    manifest: Manifest | None = None
    """of a folder written here; None of the published one."""
    images: int = 0
    """N; a file holds 5 N images, severity 1 first."""
    _hashes: dict[str, str] = field(default_factory=dict)

    def settings(self, name: str, severity: int) -> dict[str, Any]:
        """What the record says of a cell.

        Raises:
            UsageError: if its file is damaged.
        """
        settings = corruption_settings(name, severity, self.seed)
        path = self._file(name)
        if path is None or self.manifest is not None:
            return settings
        origin = {"images_from": f"published files {path.parent.name}", "sha256": self._hash(path)}
        return {key: settings[key] for key in ("corruption", "severity", "constants")} | origin

    def corrupted(
        self, name: str, severity: int, positions: NDArray[np.int64], clean: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """The corrupted images at some positions of the test split.

        Args:
            name: of the corruption.
            severity: 1 to 5.
            positions: (B,).
            clean: (B, H, W, C) the images as they are.

        Returns:
            (B, H, W, C) uint8.

        Raises:
            UsageError: if the file is damaged or does not fit.
        """
        path = self._file(name)
        if path is None:
            return corrupt(clean, name, severity, self.seed, positions)
        array = _opened(path)
        shape = clean.shape[1:3] if clean.shape[3] == 1 and array.ndim == 3 else clean.shape[1:]
        expected = (len(SEVERITIES) * self.images, *shape)
        if array.dtype != np.uint8 or array.shape != expected:
            raise UsageError(f"{path} holds {array.dtype} of {array.shape}, expected bytes of {expected}; {_MOVE_AWAY}")
        return np.asarray(array[SEVERITIES.index(severity) * self.images + positions]).reshape(clean.shape)

    def _file(self, name: str) -> Path | None:
        path = self.folder / f"{name}.npy" if self.folder else None
        if path is None or not path.is_file():
            return None
        if self.manifest is not None:
            expected = self.manifest.sha256.get(path.name)
            if expected is None:
                return None
            if self._hash(path) != expected:
                raise UsageError(f"{path} is not the file that its manifest speaks of; make it anew with --fresh")
        return path

    def _hash(self, path: Path) -> str:
        if path.name not in self._hashes:
            self._hashes[path.name] = sha256_file(path)
        return self._hashes[path.name]


def corruption_source(
    folder: Path | None, *, labels: NDArray[np.integer], fingerprint: str, seed: int
) -> CorruptionSource:
    """A source for one data set; files that are not about it are refused.

    Args:
        folder: published files, or what ``write_corrupted`` wrote; None generates all.
        labels: (N,) of the test images.
        fingerprint: of the data set.
        seed: of the generator. Files written here with another seed or by another version are left aside.

    Raises:
        UsageError: if there is no such folder, or it is about other images.
    """
    if folder is None:
        return CorruptionSource(seed=seed)
    if not folder.is_dir():
        raise UsageError(f"no corrupted images in {folder}: there is no such folder")
    manifest = read_manifest(folder)
    if manifest is None:
        came = _opened(folder / LABELS_NAME)
        if came.shape != (len(SEVERITIES) * len(labels),) or (came != np.tile(labels, len(SEVERITIES))).any():
            raise UsageError(
                f"{folder / LABELS_NAME} is not the labels of the test images, five times over; {_MOVE_AWAY}"
            )
    elif manifest.fingerprint != fingerprint:
        raise UsageError(f"{folder} holds corruptions of other images than {manifest.dataset} has now; {_MOVE_AWAY}")
    elif (manifest.seed, manifest.images_from) != (seed, GENERATOR):
        return CorruptionSource(seed=seed)
    return CorruptionSource(seed=seed, folder=folder, manifest=manifest, images=len(labels))


def _opened(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path} cannot be read as an array ({error}); {_MOVE_AWAY}") from None
