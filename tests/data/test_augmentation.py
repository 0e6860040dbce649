import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairbench.data import augment, to_unit


def numbered_images(batch, channels, height, width):
    """Images without repeated pixels, so that a crop is recognised by its content."""
    rng = np.random.default_rng(0)
    size = channels * height * width
    rows = [rng.choice(np.arange(1, 256), size, replace=False) for _ in range(batch)]
    return torch.from_numpy(np.stack(rows).astype(np.uint8)).view(batch, channels, height, width)


def slow_crops(image, padding, mode, flip):
    """All that augmentation may make of one image, by its place and flip: (2p + 1)^2 crops, mirrored or not."""
    kind = {"zero": "constant", "reflect": "reflect"}[mode]
    padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)), mode=kind)
    _, height, width = image.shape
    crops = {}
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            crop = padded[:, top : top + height, left : left + width]
            for mirrored in range(1 + flip):
                crops[top, left, mirrored] = crop[:, :, ::-1] if mirrored else crop
    return crops


def places(images, augmented, padding, mode, flip):
    found = []
    for image, result in zip(images.numpy(), augmented.numpy(), strict=True):
        crops = slow_crops(image, padding, mode, flip)
        found.append(
            [place for place, crop in crops.items() if np.array_equal(np.float32(crop) / np.float32(255), result)]
        )
    return found


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.sampled_from([1, 3]), st.integers(4, 7), st.integers(4, 7)),
    padding=st.integers(0, 3),
    mode=st.sampled_from(["zero", "reflect"]),
    flip=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_each_image_becomes_one_of_its_own_crops(shape, padding, mode, flip, seed):
    images = numbered_images(*shape)
    generator = torch.Generator().manual_seed(seed)
    augmented = augment(images, crop_padding=padding, padding_mode=mode, flip=flip, generator=generator)
    assert augmented.shape == images.shape
    assert augmented.dtype == torch.float32
    assert all(places(images, augmented, padding, mode, flip))


def test_places_and_flips_are_equally_likely_and_independent_between_images():
    images = numbered_images(1, 1, 4, 4).expand(5000, -1, -1, -1)
    augmented = augment(images, crop_padding=2, flip=True, generator=torch.Generator().manual_seed(1))
    distinct, counts = augmented.flatten(1).unique(dim=0, return_counts=True)
    assert len(distinct) == 5 * 5 * 2
    # Chi-square with 49 degrees of freedom: mean 49, standard deviation about 10.
    assert ((counts - 100.0) ** 2 / 100).sum() < 100


def test_the_generator_alone_decides():
    images = numbered_images(8, 3, 6, 6)
    state = torch.get_rng_state()

    def with_seed(seed):
        generator = torch.Generator().manual_seed(seed)
        return augment(images, crop_padding=2, padding_mode="reflect", flip=True, generator=generator)

    assert torch.equal(with_seed(3), with_seed(3))
    assert not torch.equal(with_seed(3), with_seed(4))
    assert torch.equal(state, torch.get_rng_state())


def test_without_crop_and_flip_images_are_only_scaled():
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    plain = augment(images, crop_padding=0, flip=False, generator=torch.Generator())
    assert torch.equal(plain, to_unit(images))
    assert np.array_equal(plain.flatten().numpy(), np.arange(256, dtype=np.float32) / np.float32(255))


@pytest.mark.parametrize(("padding", "mode"), [(-1, "zero"), (4, "reflect")])
def test_padding_that_does_not_fit_is_refused(padding, mode):
    with pytest.raises(ValueError, match=f"crop padding {padding} does not fit images of side 4"):
        augment(
            numbered_images(1, 1, 4, 5),
            crop_padding=padding,
            padding_mode=mode,
            flip=False,
            generator=torch.Generator(),
        )
