"""Corruptions from the command line: files in the published layout, and a model asked about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from fairbench.models import create_model


@pytest.fixture
def bags(tmp_path: Path) -> Path:
    """A folder of grey images of 28 pixels, two classes."""
    random = np.random.default_rng(0)
    for split, count in (("train", 30), ("test", 4)):
        for name in ("bag", "boot"):
            place = tmp_path / "data" / split / name
            place.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(random.integers(0, 256, (28, 28), dtype=np.uint8)).save(place / f"{number:02}.png")
    return tmp_path / "data"


def test_write_and_evaluate(fairbench: Callable, tmp_path: Path, bags: Path) -> None:
    corrupt = ("data", "corrupt", f"folder:{bags}", "--data-dir", tmp_path, "--types", "fog,contrast")
    assert "2 of 19 types, 40 images each" in fairbench(*corrupt).out
    answer = json.loads(fairbench(*corrupt, "--json").out)
    assert answer["folder"] == str(tmp_path / "data-C")
    assert set(answer["sha256"]) == {"labels.npy", "fog.npy", "contrast.npy"}

    save_file(
        create_model("cnn_small", num_classes=2, image_shape=(1, 28, 28)).state_dict(), tmp_path / "w.safetensors"
    )
    evaluate = ("evaluate", "--model", "cnn_small", "--checkpoint", tmp_path / "w.safetensors", "--eps", "0.1")
    evaluate = (*evaluate, "--dataset", f"folder:{bags}", "--attacks", "clean,corruptions.fog,corruptions.snow.2")
    printed = fairbench(*evaluate, "--data-dir", tmp_path).out
    assert "corruptions.fog " in printed
    assert "corruptions.snow.2 " in printed
    assert "corruptions.fog.1" not in printed
    record = json.loads(fairbench(*evaluate, "--data-dir", tmp_path, "--json").out)
    assert list(record["conditions"]) == ["clean", "corruptions.snow.2", *(f"corruptions.fog.{s}" for s in range(1, 6))]
    assert sum(record["conditions"]["corruptions.fog.5"]["class_total"]) == 8


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("digits",), "cannot corrupt digits"),
        (("fmnst",), "did you mean fmnist"),
        (("folder:{bags}", "--types", "fgo"), "did you mean fog"),
        (("folder:{bags}", "--types", "fog,,snow"), "has an empty place"),
    ],
)
def test_bad_requests(fairbench: Callable, tmp_path: Path, bags: Path, words: tuple[str, ...], reason: str) -> None:
    answer = fairbench("data", "corrupt", *(word.format(bags=bags) for word in words), "--out", tmp_path / "C")
    assert answer.code == 2
    assert reason in answer.err
    assert not (tmp_path / "C").exists()
