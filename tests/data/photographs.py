"""Small natural images for the tests of corruptions."""

import numpy as np
from sklearn.datasets import load_sample_images


def photographs(count: int = 48, side: int = 32) -> np.ndarray:
    """Cuts of scikit-learn's two photographs, shrunk four times: (count, side, side, 3)."""
    china, flower = (image[:424, :640].astype(float) for image in load_sample_images().images)
    small = [image.reshape(106, 4, 160, 4, 3).mean(axis=(1, 3)) for image in (china, flower)]
    random = np.random.default_rng(0)
    places = zip(random.integers(0, 106 - side, count), random.integers(0, 160 - side, count), strict=True)
    cuts = [small[i % 2][top : top + side, left : left + side] for i, (top, left) in enumerate(places)]
    return np.array(cuts).astype(np.uint8)


IMAGES = photographs()
GREY = IMAGES[:24, 2:30, 1:31, 1]
"""28 x 30, so that rows are not columns."""
