"""Each corruption against its definition, written a second time: slowly, in float64, or by a library."""

import colorsys
import io
import math

import numpy as np
import pytest
from photographs import GREY, IMAGES
from PIL import Image
from scipy import ndimage

from fairbench.data import corrupt
from fairbench.data.corruptions.blur import disk
from fairbench.data.corruptions.constants import CONSTANTS
from fairbench.data.corruptions.draws import Draws
from fairbench.data.corruptions.frost_textures import frost_textures
from fairbench.data.corruptions.geometry import clipped_zoom, motion_blur_along, sample
from fairbench.data.corruptions.plasma import plasma
from fairbench.data.corruptions.spatter import edges, equalised
from fairbench.protocol.corruptions import CORRUPTION_GROUPS, CORRUPTIONS, SEVERITIES

EIGHT = IMAGES[:8]
UNIT = EIGHT / 255


def assert_bytes(got: np.ndarray, expected: np.ndarray) -> None:
    """Equal to the cut-off value; where float32 stands on the edge of a grey level, one level off."""
    difference = np.abs(got.astype(int) - np.floor(np.clip(expected, 0, 1) * 255 + 1e-3).astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def test_constants_have_five_severities_each() -> None:
    assert list(CONSTANTS) == list(CORRUPTIONS)
    assert {len(values) for values in CONSTANTS.values()} == {len(SEVERITIES)}
    assert [len(group) for group in CORRUPTION_GROUPS.values()] == [9, 18, 19]


@pytest.mark.parametrize("severity", SEVERITIES)
def test_contrast(severity: int) -> None:
    mean = UNIT.mean(axis=(1, 2), keepdims=True)
    assert_bytes(corrupt(EIGHT, "contrast", severity), (UNIT - mean) * CONSTANTS["contrast"][severity - 1] + mean)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("name", ["brightness", "saturate"])
def test_hsv(name: str, severity: int) -> None:
    constants = CONSTANTS[name][severity - 1]

    def changed(pixel: np.ndarray) -> tuple[float, float, float]:
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        if name == "brightness":
            return colorsys.hsv_to_rgb(hue, saturation, min(value + constants, 1))
        return colorsys.hsv_to_rgb(hue, min(saturation * constants[0] + constants[1], 1), value)

    images = EIGHT[:2].copy()
    images[0, 0, :4] = [[0, 0, 0], [255, 255, 255], [90, 90, 90], [0, 0, 255]]
    expected = np.apply_along_axis(changed, 3, images / 255)
    assert_bytes(corrupt(images, name, severity), expected)


def test_saturate_leaves_grey_images_alone_up_to_severity_three() -> None:
    for severity in (1, 2, 3):
        assert np.array_equal(corrupt(GREY, "saturate", severity), GREY)
    assert (corrupt(GREY, "saturate", 5) <= GREY).all()
    assert not np.array_equal(corrupt(GREY, "saturate", 4), GREY)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_has_the_moments_of_its_definition(severity: int) -> None:
    middle = np.full((60, 32, 32, 3), 128, dtype=np.uint8)
    x, count = 128 / 255, middle.size

    def moments(name: str) -> tuple[float, float]:
        noisy = (corrupt(middle, name, severity) + 0.5) / 255  # cutting off takes half a level on average
        return float(noisy.mean()), float(noisy.std())

    deviations = {
        "gaussian_noise": CONSTANTS["gaussian_noise"][severity - 1],
        "speckle_noise": CONSTANTS["speckle_noise"][severity - 1] * x,
        "shot_noise": math.sqrt(x / CONSTANTS["shot_noise"][severity - 1]),
    }
    for name, deviation in deviations.items():
        mean, spread = moments(name)
        assert mean == pytest.approx(x, abs=5 * deviation / math.sqrt(count) + 1e-3)
        assert spread == pytest.approx(deviation, rel=0.02)
    salted = corrupt(middle, "impulse_noise", severity)
    amount = CONSTANTS["impulse_noise"][severity - 1]
    for value in (0, 255):
        assert (salted == value).mean() == pytest.approx(amount / 2, abs=5 * math.sqrt(amount / 2 / count))
    assert set(np.unique(salted)) == {0, 128, 255}


def test_noise_of_neighbours_is_independent() -> None:
    middle = np.full((40, 32, 32, 3), 128, dtype=np.uint8)
    noise = corrupt(middle, "gaussian_noise", 5) - 127.5
    products = [noise[:, 1:] * noise[:, :-1], noise[..., 1:] * noise[..., :-1], noise[1:] * noise[:-1]]
    for product in products:
        assert abs(product.mean()) < 5 * noise.std() ** 2 / math.sqrt(product.size)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_gaussian_blur(severity: int) -> None:
    sigma = CONSTANTS["gaussian_blur"][severity - 1]
    reach = int(4 * sigma + 0.5)
    taps = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = np.outer(taps, taps) / taps.sum() ** 2
    assert_bytes(corrupt(EIGHT, "gaussian_blur", severity), correlated(UNIT, kernel, "edge"))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_defocus_blur(severity: int) -> None:
    radius, edge = CONSTANTS["defocus_blur"][severity - 1]
    side = np.arange(-4, 5)
    aliased = (side[:, None] ** 2 + side**2 <= radius**2) / np.sum(side[:, None] ** 2 + side**2 <= radius**2)
    taps = np.exp(-(np.arange(-1, 2) ** 2) / (2 * edge**2))
    kernel = ndimage.convolve(aliased, np.outer(taps, taps) / taps.sum() ** 2, mode="constant")
    assert kernel.sum() == pytest.approx(1)
    assert disk(radius, edge).sum() == pytest.approx(1)
    assert_bytes(corrupt(EIGHT, "defocus_blur", severity), correlated(UNIT, kernel, "reflect"))


def correlated(x: np.ndarray, kernel: np.ndarray, border: str) -> np.ndarray:
    margin = len(kernel) // 2
    padded = np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode=border)
    height, width = x.shape[1:3]
    return sum(
        kernel[i, j] * padded[:, i : i + height, j : j + width]
        for i in range(len(kernel))
        for j in range(len(kernel))
    )  # fmt: skip


def test_motion_blur_walks_along_its_direction() -> None:
    x = np.zeros((4, 1, 31, 31), dtype=np.float32)
    x[:, :, 15, 15] = 1
    weights = np.exp(-(np.arange(13) ** 2) / (2 * 2.0**2))
    weights /= weights.sum()
    blurred = motion_blur_along(x, 6, 2.0, np.array([0.0, 90.0, 45.0, -90.0]))[:, 0]
    # The pixel that looks i steps ahead finds the point: so the trail leads backwards.
    assert blurred[0, 15, 15 - np.arange(6)] == pytest.approx(weights[:6], abs=1e-4)
    assert blurred[1, 15 - np.arange(6), 15] == pytest.approx(weights[:6], abs=1e-4)
    assert blurred[3, 15 + np.arange(6), 15] == pytest.approx(weights[:6], abs=1e-4)
    assert blurred[2][np.tril_indices(31, -12)].sum() == 0
    assert blurred[2, 14, 14] == pytest.approx(weights[1] + weights[2], abs=1e-4)  # both round to one step
    assert blurred.sum(axis=(1, 2)) == pytest.approx(np.ones(4), abs=1e-5)


@pytest.mark.parametrize("factor", [1.0, 1.03, 1.25, 1.75, 2.25])
def test_clipped_zoom_is_scipys_zoom_cut_to_size(factor: float) -> None:
    image = UNIT[0, :, :, 0]
    kept = math.ceil(32 / factor)
    top = (32 - kept) // 2
    enlarged = ndimage.zoom(image[top : top + kept, top : top + kept], factor, order=1)
    cut = (len(enlarged) - 32) // 2
    expected = enlarged[cut : cut + 32, cut : cut + 32]
    zoomed = clipped_zoom(image[None, None].astype(np.float32), factor)[0, 0]
    assert zoomed == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_zoom_blur(severity: int) -> None:
    stop = (1.06, 1.11, 1.16, 1.21, 1.26)[severity - 1]
    factors = np.arange(1, stop, 0.01)
    planes = UNIT.transpose(0, 3, 1, 2).astype(np.float32)
    total = planes + sum(clipped_zoom(planes, float(factor)) for factor in factors)
    expected = (total / (len(factors) + 1)).transpose(0, 2, 3, 1)
    assert_bytes(corrupt(EIGHT, "zoom_blur", severity), expected)


def test_glass_blur_takes_each_pixel_from_its_neighbourhood() -> None:
    place = np.arange(32 * 32).reshape(32, 32) % 251
    images = np.stack([place, place, place], axis=-1)[None].astype(np.uint8)
    shuffled = corrupt(images, "glass_blur", 1)[0, :, :, 0]  # the blur of severity 1 touches no other pixel
    choices = np.stack([place, np.roll(place, 1, 0), np.roll(place, 1, 1), np.roll(place, (1, 1), (0, 1))])
    assert (shuffled == choices).any(axis=0).all()
    assert np.array_equal(shuffled[:2], place[:2])
    assert np.array_equal(shuffled[:, :2], place[:, :2])
    for choice in choices:
        assert (shuffled == choice)[2:, 2:].mean() == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("images", [EIGHT, GREY[:4]], ids=["colour", "grey"])
def test_pixelate_and_jpeg_as_pillow_does_them(images: np.ndarray, severity: int) -> None:
    height, width = images.shape[1:3]
    share = CONSTANTS["pixelate"][severity - 1]
    for image, pixelated, compressed in zip(
        images, corrupt(images, "pixelate", severity), corrupt(images, "jpeg_compression", severity), strict=True
    ):
        picture = Image.fromarray(image)
        small = picture.resize((int(width * share), int(height * share)), Image.Resampling.BOX)
        assert np.array_equal(pixelated, np.asarray(small.resize((width, height), Image.Resampling.BOX)))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=CONSTANTS["jpeg_compression"][severity - 1])
        assert np.array_equal(compressed, np.asarray(Image.open(file)))


@pytest.mark.parametrize(("border", "scipy_mode"), [("mirror", "mirror"), ("symmetric", "reflect")])
def test_sampling_between_pixels(border: str, scipy_mode: str) -> None:
    random = np.random.default_rng(0)
    rows, columns = random.uniform(-12, 44, (2, 8, 32, 32))
    sampled = sample(UNIT.transpose(0, 3, 1, 2).astype(np.float32), columns, rows, border=border)
    for image, got, row, column in zip(UNIT, sampled, rows, columns, strict=True):
        expected = ndimage.map_coordinates(image[..., 1], [row, column], order=1, mode=scipy_mode)
        assert got[1] == pytest.approx(expected, abs=1e-4)


def test_elastic_transform_of_severity_one_is_affine() -> None:
    """A plane of grey levels stays a plane, away from the border."""
    rows, columns = np.mgrid[:32, :32]
    plane = np.repeat((40 + 3 * rows + 2 * columns)[None], 6, axis=0).astype(np.uint8)
    bent = corrupt(plane, "elastic_transform", 1).astype(float)[:, 9:23, 9:23]
    assert np.abs(np.diff(bent, n=2, axis=1)).max() <= 1
    assert np.abs(np.diff(bent, n=2, axis=2)).max() <= 1
    slopes = np.diff(bent, axis=2).mean(axis=(1, 2))
    assert slopes.std() > 0.1  # each image has a map of its own
    assert slopes.mean() == pytest.approx(2, abs=0.6)


def test_plasma_by_midpoint_displacement() -> None:
    def slow(random: np.ndarray, side: int, decay: float) -> np.ndarray:
        grid, step, roughness = np.zeros((side, side)), side, 100.0
        while step >= 2:
            half = step // 2
            for i in range(half, side, step):
                for j in range(half, side, step):
                    around = [grid[(i + a) % side, (j + b) % side] for a in (-half, half) for b in (-half, half)]
                    grid[i, j] = np.mean(around) + roughness**2 * random[i, j]
            for i in range(0, side, half):
                for j in range((i + half) % step, side, step):
                    cross = ((-half, 0), (half, 0), (0, -half), (0, half))
                    around = [grid[(i + a) % side, (j + b) % side] for a, b in cross]
                    grid[i, j] = np.mean(around) + roughness**2 * random[i, j]
            step, roughness = half, roughness / decay
        return (grid - grid.min()) / (grid.max() - grid.min())

    maps = plasma(Draws(0, [4, 5], "fog", 1), 16, 2.5)
    random = 2 * Draws(0, [4, 5], "fog", 1).uniform(16, 16) - 1
    for got, numbers in zip(maps, random, strict=True):
        assert got == pytest.approx(slow(numbers, 16, 2.5), abs=1e-5)


def test_fog_keeps_the_brightest_value_and_takes_contrast() -> None:
    for severity in SEVERITIES:
        foggy = corrupt(EIGHT, "fog", severity)
        assert (foggy.max(axis=(1, 2, 3)) <= EIGHT.max(axis=(1, 2, 3))).all()
    assert corrupt(EIGHT, "fog", 5).std() < 0.8 * EIGHT.std()


def test_snow_and_frost_only_add_light_where_the_image_keeps_its_share() -> None:
    assert (corrupt(EIGHT, "frost", 1) >= EIGHT).all()
    assert (corrupt(EIGHT, "snow", 1) >= EIGHT).all()
    black = np.zeros((64, 32, 32, 3), dtype=np.uint8)
    icy = corrupt(black, "frost", 5)
    assert icy.max() <= 0.45 * 255
    assert (icy.max(axis=(1, 2, 3)) > 0.3 * 255).all()  # no cut is without ice


def test_frost_textures_are_dark_over_half_and_repeat_without_a_seam() -> None:
    textures = frost_textures()
    assert textures.shape == (5, 3, 256, 256)
    assert textures.min() >= 0
    assert textures.max() <= 1
    assert (textures.mean(axis=1) < 0.15).mean() > 0.5
    inside = np.abs(np.diff(textures, axis=3)).mean()
    assert np.abs(textures[..., 0] - textures[..., -1]).mean() == pytest.approx(inside, rel=0.2)


def test_spatter_is_water_and_then_mud() -> None:
    flat = np.full((20, 32, 32, 3), 120, dtype=np.uint8)
    for severity in (1, 2, 3):
        water = corrupt(flat, "spatter", severity).astype(int) - flat
        assert water.min() >= 0
        light = water.max(axis=(1, 2))
        assert (light > 0.4 * 175).any()
        assert (light[:, 1] >= light[:, 0]).all()
    for severity in (4, 5):
        mud = corrupt(flat, "spatter", severity)
        assert (mud <= 120).all()
        assert mud.min(axis=(0, 1, 2)) == pytest.approx([63, 42, 20], abs=1)


def test_edges_of_a_square_are_its_outline() -> None:
    levels = np.zeros((2, 32, 32), dtype=np.float32)
    levels[0, 8:20, 10:25] = 200
    found = edges(levels)
    assert not found[1].any()
    ring = np.zeros((32, 32), dtype=bool)
    ring[6:22, 8:27] = True
    ring[10:18, 12:23] = False
    assert found[0].sum() >= 2 * (12 + 15) - 8
    assert not (found[0] & ~ring).any()


def test_weak_edges_count_only_beside_strong_ones() -> None:
    levels = np.zeros((2, 32, 32), dtype=np.float32)
    levels[:, :, 16:] = 20  # a gradient of 80: weak
    levels[1, :8, 16:] = 120  # continues it strongly
    assert not edges(levels)[0].any()
    assert edges(levels)[1][10:, 14:18].any(axis=1).all()


def test_equalised_histogram() -> None:
    levels = np.stack([np.arange(256), np.full(256, 7)]).reshape(2, 16, 16).astype(np.uint8)
    levels[0] //= 64
    flat = equalised(levels)
    assert np.unique(flat[0]).tolist() == [0, 85, 170, 255]
    assert (flat[1] == 7).all()
