"""Digital: contrast, elastic distortion, pixels too large, JPEG."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fairbench.data.corruptions.draws import Draws, Images
from fairbench.data.corruptions.geometry import sample
from fairbench.data.corruptions.rounding import as_rounded_bytes, as_unit
from fairbench.data.corruptions.smoothing import smoothed


def contrast(x: Images, factor: float, _draws: Draws) -> Images:
    """Each channel pulled towards its mean."""
    # Whole grey levels add up exactly, so the mean cannot depend on how a batch lies in memory.
    levels = as_rounded_bytes(x).sum(axis=(2, 3), dtype=np.int64, keepdims=True)
    mean = (levels / (255 * x.shape[2] * x.shape[3])).astype(np.float32)
    return (x - mean) * np.float32(factor) + mean


def pixelate(x: Images, share: float, _draws: Draws) -> Images:
    """Shrink by the mean over boxes, enlarge again; columns first, rounded after each pass."""
    pixels = as_rounded_bytes(x).astype(np.float32)
    for side, axis in ((x.shape[3], 3), (x.shape[2], 2)):
        matrix = _box_matrix(side, int(side * share))
        shrunk = pixels @ matrix.T if axis == 3 else matrix @ pixels
        pixels = np.floor(shrunk + np.float32(0.5))
    rows, columns = (_nearest(side, int(side * share)) for side in x.shape[2:])
    return pixels[:, :, rows][:, :, :, columns] / np.float32(255)


@cache
def _box_matrix(side: int, shrunk: int) -> NDArray[np.float32]:
    """(shrunk, side): each new pixel is the plain mean of the pixels whose centres lie in its box."""
    scale = side / shrunk
    centres = (np.arange(shrunk)[:, None] + 0.5) * scale
    places = np.arange(side)
    distance = (places - centres + 0.5) * (1 / scale)
    # Where a box ends in the middle of a pixel, both rounding errors decide, in pillow as here.
    inside = (distance > -0.5) & (distance <= 0.5)
    inside &= (places >= (centres - scale / 2 + 0.5).astype(int)) & (places < (centres + scale / 2 + 0.5).astype(int))
    return (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)


def _nearest(side: int, shrunk: int) -> NDArray[np.int64]:
    return ((np.arange(side) + 0.5) * (shrunk / side)).astype(np.int64)


def jpeg_compression(x: Images, quality: int, _draws: Draws) -> Images:
    """Through the JPEG encoder and back, chroma at half the resolution."""
    pixels = as_rounded_bytes(x).transpose(0, 2, 3, 1)
    decoded = np.empty_like(pixels)
    for position, image in enumerate(pixels):
        decoded[position] = _through_jpeg(image, quality)
    return as_unit(decoded).transpose(0, 3, 1, 2)


def _through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).reshape(pixels.shape)


def elastic_transform(x: Images, constants: tuple[float, float, float], draws: Draws) -> Images:
    """Move three points a little and the image with them, then every pixel by a smooth random displacement."""
    strength, smoothness, shift = (share * min(x.shape[2:]) for share in constants)
    bent = _affine(x, shift * (2 * draws.uniform(3, 2) - 1))
    height, width = x.shape[2:]
    displacement = 2 * draws.uniform(2, height, width) - 1
    displacement = smoothed(displacement, smoothness, border="reflect", cut_off=3.0)
    columns = np.arange(width) + strength * displacement[:, 0]
    rows = np.arange(height)[:, None] + strength * displacement[:, 1]
    return sample(bent, columns, rows, border="symmetric")


def _affine(x: Images, shifts: NDArray[np.floating]) -> Images:
    """The images under the affine map that moves three points of a square in the middle by (N, 3, 2) pixels."""
    height, width = x.shape[2:]
    centre = np.array([width // 2, height // 2], dtype=np.float64)
    arm = min(height, width) // 3
    fixed = centre + arm * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = np.concatenate([fixed + shifts, np.ones((len(x), 3, 1))], axis=2)
    back = np.linalg.solve(moved, np.broadcast_to(fixed, (len(x), 3, 2)))
    grid_rows, grid_columns = np.mgrid[:height, :width].astype(np.float64)
    # Written out, so that no library picks another order of summation for another batch.
    columns, rows = (
        back[:, 0, axis, None, None] * grid_columns
        + back[:, 1, axis, None, None] * grid_rows
        + back[:, 2, axis, None, None]
        for axis in (0, 1)
    )
    return sample(x, columns, rows, border="mirror")
