"""``corrupt``: the same bytes for any batch, stronger with severity, and no surprise for bad input."""

import numpy as np
import pytest
from photographs import GREY, IMAGES

from fairbench.data import CORRUPTIONS, corrupt, find_dataset, load_dataset
from fairbench.errors import UsageError
from fairbench.protocol.corruptions import SEVERITIES

NOT_GROWING = {"elastic_transform", "glass_blur", "spatter", "saturate"}
"""Their constants do not make every step larger than the one before; CONTRIBUTING.md says where."""


def test_the_nineteen_types_in_their_published_order() -> None:
    assert len(CORRUPTIONS) == 19
    assert list(CORRUPTIONS)[::5] == ["gaussian_noise", "motion_blur", "brightness", "speckle_noise"]


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("images", [IMAGES[:9], GREY[:9]], ids=["colour", "grey"])
def test_batches_and_order_change_nothing(name: str, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    before = images.copy()
    for severity in (1, 3, 5):
        whole = corrupt(images, name, severity, seed=3)
        assert whole.dtype == np.uint8
        assert whole.shape == images.shape
        order = np.array([5, 0, 8, 2, 1, 7, 3, 6, 4])
        parts = [corrupt(images[some], name, severity, 3, some) for some in (order[:1], order[1:6], order[6:])]
        assert np.array_equal(np.concatenate(parts), whole[order])
        with monkeypatch.context() as patch:
            patch.setattr("fairbench.data.corruptions.corrupt._TOGETHER", 2)
            assert np.array_equal(corrupt(images, name, severity, 3), whole)
    assert np.array_equal(images, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_seed_index_and_severity_are_in_the_key(name: str) -> None:
    same = np.repeat(IMAGES[:1], 3, axis=0)
    first = corrupt(same, name, 2, seed=0)
    random = not np.array_equal(first[0], first[1])
    drawn = {"gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "glass_blur", "motion_blur", "snow",
             "frost", "fog", "elastic_transform", "spatter"}  # fmt: skip
    assert random == (name in drawn)
    if random:
        assert not np.array_equal(first, corrupt(same, name, 2, seed=1))
        assert np.array_equal(first[1], corrupt(same[:1], name, 2, seed=0, indices=[1])[0])


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in NOT_GROWING])
@pytest.mark.parametrize("images", [IMAGES, GREY], ids=["colour", "grey"])
def test_change_grows_with_severity(name: str, images: np.ndarray) -> None:
    changes = [np.abs(corrupt(images, name, s).astype(int) - images).mean() for s in SEVERITIES]
    if name == "motion_blur":  # its kernels at severities 3 and 4 differ by less than a millionth
        assert changes[3] == pytest.approx(changes[2], rel=0.1)
        del changes[3]
    assert (np.diff(changes) > 0).all(), changes
    assert 0.5 < changes[0] < changes[-1] < 90


def test_severities_have_draws_of_their_own() -> None:
    # Their kernels are equal to a millionth, so only the directions of the motion can differ.
    assert not np.array_equal(corrupt(IMAGES, "motion_blur", 3), corrupt(IMAGES, "motion_blur", 4))


@pytest.mark.prove
@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in NOT_GROWING])
def test_change_grows_with_severity_on_fashion_mnist(name: str) -> None:
    if find_dataset("fmnist") is None:
        pytest.skip("Fashion-MNIST is not here")
    images = load_dataset("fmnist").test.images[:2000, 0].numpy()
    changes = [np.abs(corrupt(images, name, s).astype(int) - images).mean() for s in SEVERITIES]
    if name == "motion_blur":
        del changes[3]
    assert (np.diff(changes) > 0).all(), changes


def test_changes_of_the_four_others() -> None:
    def change(name: str, severity: int) -> float:
        return float(np.abs(corrupt(IMAGES, name, severity).astype(int) - IMAGES).mean())

    assert change("elastic_transform", 1) > change("elastic_transform", 5) > 1
    assert change("glass_blur", 5) > change("glass_blur", 1) > 1
    assert change("spatter", 1) < change("spatter", 2) < change("spatter", 3)
    assert change("spatter", 4) < change("spatter", 5)
    assert change("saturate", 1) < change("saturate", 2)
    assert change("saturate", 3) < change("saturate", 4) < change("saturate", 5)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_images(name: str, value: int) -> None:
    flat = np.full((2, 32, 32, 3), value, dtype=np.uint8)
    for severity in SEVERITIES:
        assert corrupt(flat, name, severity).dtype == np.uint8
    if CORRUPTIONS[name] in ("blur", "digital") or name == "gaussian_blur":
        assert np.abs(corrupt(flat, name, 5).astype(int) - value).max() <= 1


def test_other_sizes_and_no_images() -> None:
    large = np.kron(IMAGES[:2], np.ones((1, 3, 2, 1), dtype=np.uint8))
    for name in CORRUPTIONS:
        assert corrupt(large, name, 5).shape == (2, 96, 64, 3)
        assert corrupt(GREY[..., None][:2], name, 5).shape == (2, 28, 30, 1)
        assert corrupt(IMAGES[:0], name, 5).shape == (0, 32, 32, 3)


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (IMAGES.astype(np.float32), "array of uint8, got float32"),
        (IMAGES.tolist(), "array of uint8, got list"),
        (IMAGES[0, 0], r"\(N, H, W\)"),
        (IMAGES.transpose(0, 3, 1, 2), r"\(48, 3, 32, 32\)"),
        (np.zeros((2, 8, 8), dtype=np.uint8), "at least 28 pixels a side, got 8x8"),
    ],
)
def test_refuses_other_images(images: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        corrupt(images, "fog", 1)


@pytest.mark.parametrize("severity", [0, 6, -1, 2.5, "3", True, None])
def test_refuses_other_severities(severity: object) -> None:
    with pytest.raises(ValueError, match="severity from 1 to 5"):
        corrupt(IMAGES, "fog", severity)


def test_refuses_other_names() -> None:
    with pytest.raises(UsageError, match="unknown corruption 'gausian_noise': did you mean gaussian_noise"):
        corrupt(IMAGES, "gausian_noise", 1)


@pytest.mark.parametrize("indices", [[0, 1], [-1] + [0] * 47, np.zeros(48)])
def test_refuses_other_indices(indices: object) -> None:
    with pytest.raises(ValueError, match="expected 48 indices"):
        corrupt(IMAGES, "fog", 1, indices=indices)
