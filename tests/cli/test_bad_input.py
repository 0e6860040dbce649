"""Bad input: exit code 2, one or two lines that name the value and the cure, nothing written or lost."""

from __future__ import annotations

import errno
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fairbench.models import create_model, save_weights

QUICK = ("--track", "digits", "--set", "epochs=1", "--set", "battery.conditions=[clean]")


@pytest.fixture
def refused(fairbench: Callable, tmp_path: Path) -> Callable:
    """Call the command line, expect a refusal, and look at how it was said."""

    def call(*words: object, saying: tuple[str, ...]) -> None:
        before = sorted(tmp_path.rglob("*"))
        answer = fairbench(*words)
        assert answer.code == 2, answer
        assert "Traceback" not in answer.err
        message = answer.err[answer.err.index("error: ") :]
        assert len(message.strip().splitlines()) <= 2
        for part in saying:
            assert part in message
        written = [path for path in sorted(tmp_path.rglob("*")) if path not in before and path.is_file()]
        assert [path.name for path in written if not path.name.endswith(".lock")] in ([], ["config.json"])

    return call


@pytest.mark.parametrize(
    ("words", "saying"),
    [
        (["--methods", "fal"], ("'fal'", "did you mean faal", "methods list")),
        (["--methods", "faal@nothing"], ("objective 'nothing'", "at")),
        (["--methods", "frl@at"], ("frl@at", "makes no sense", "trades")),
        (["--methods", "faal+"], ("'faal+'", "method[@objective]")),
        (["--methods", "faal?tau"], ("'tau'", "option=value")),
        (["--methods", "faal,,frl"], ("empty place",)),
        (["--methods", "faal?tau=much"], ("tau = 'much'", "number")),
        (["--methods", "faal+ema+fawa"], ("ema", "fawa", "keep one")),
        (["--methods", "base:mart"], ("'mart'", "pgd_at")),
        (["--methods", "pgd_at", "--track", "digit"], ("track 'digit'", "digits")),
        (["--methods", "pgd_at", "--device", "tpu"], ("'tpu'", "cpu")),
        (["--methods", "pgd_at", "--device", "cuda:99"], ("'cuda:99'", "--device cpu")),
        (["--methods", "pgd_at", "--seeds", "3-1"], ("'3-1'", "0-4")),
        (["--methods", "pgd_at", "--set", "epoch=1"], ("'epoch'", "epochs")),
        (["--methods", "pgd_at", "--set", "epochs"], ("'epochs'", "key=value")),
        (["--methods", "pgd_at", "--set", "epsilon=1.5"], ("epsilon = 1.5", "less than 1")),
        (["--methods", "pgd_at", "--set", "epsilon=-0.1"], ("epsilon = -0.1", "greater than 0")),
        (["--methods", "pgd_at", "--set", "battery.conditions=[pgd]"], ("'pgd'", "pgd20")),
        (["--methods", "pgd_at", "--set", "architecture=cnn"], ("'cnn'", "cnn_tiny")),
        (["--methods", "pgd_at", "--init", "mart"], ("'mart'", "scratch", "pgd_at")),
        (["--methods", "pgd_at", "--plugin", "nothing.py"], ("nothing.py", "Python file")),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_before_any_work(
    refused: Callable, tmp_path: Path, words: list[str], saying: tuple[str, ...]
) -> None:
    refused("run", *words, "--out", tmp_path / "out", saying=saying)


@pytest.mark.parametrize(
    ("words", "saying"),
    [
        (["--attacks", "pgd21"], ("'pgd21'", "pgd20")),
        (["--eps", "2"], ("'2'", "8/255")),
        (["--eps", "0"], ("'0'", "between 0 and 1")),
        (["--eps", "8/0"], ("'8/0'",)),
        (["--model", "resnet99"], ("'resnet99'", "rn18")),
        (["--device", "gpu"], ("'gpu'", "cuda")),
    ],
)
def test_an_evaluation_that_makes_no_sense_is_refused(
    refused: Callable, tmp_path: Path, words: list[str], saying: tuple[str, ...]
) -> None:
    weights = tmp_path / "w.safetensors"
    save_weights(create_model("cnn_tiny", image_shape=(1, 8, 8)), weights)
    refused("evaluate", "--track", "digits", "--checkpoint", weights, *words, saying=saying)


def test_an_evaluation_without_weights_or_data_is_refused(refused: Callable, tmp_path: Path) -> None:
    refused("evaluate", saying=("nothing to evaluate", "--checkpoint"))
    refused("evaluate", "--run", tmp_path, saying=("record.json",))


def test_checkpoints_that_do_not_fit_are_refused(refused: Callable, tmp_path: Path) -> None:
    def evaluate(path: Path, *saying: str) -> None:
        refused(
            "evaluate", "--track", "digits", "--attacks", "clean", "--checkpoint", path, saying=(path.name, *saying)
        )

    path = tmp_path / "other.safetensors"
    save_weights(create_model("cnn_small", image_shape=(1, 28, 28)), path)
    evaluate(path)
    save_weights(create_model("cnn_tiny", image_shape=(1, 8, 8), num_classes=7), path)
    evaluate(path, "7", "10")
    save_weights(create_model("cnn_tiny", image_shape=(1, 8, 8)), path)
    path.write_bytes(path.read_bytes()[:-100])
    evaluate(path)
    evaluate(tmp_path / "missing.safetensors")


class _Code:
    """A pickle that leaves a file where it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_a_pickle_is_refused_and_nothing_of_it_runs(refused: Callable, tmp_path: Path, name: str) -> None:
    trace = tmp_path / "executed"
    (tmp_path / name).write_bytes(pickle.dumps({"linear.weight": _Code(trace)}))
    refused("evaluate", "--track", "digits", "--checkpoint", tmp_path / name, saying=(name,))
    torch.save({"linear.weight": _Code(trace)}, tmp_path / "zip.pt")
    refused("evaluate", "--track", "digits", "--checkpoint", tmp_path / "zip.pt", saying=("zip.pt",))
    assert not trace.exists()


def _images(folder: Path, side: int = 8, count: int = 8) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            place = folder / split / name
            place.mkdir(parents=True)
            for index in range(count):
                pixels = np.random.default_rng(index).integers(0, 255, (side, side), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{index}.png")


@pytest.mark.parametrize("fault", ["missing", "empty", "class", "size", "truncated"])
def test_image_folders_with_faults_are_refused(refused: Callable, tmp_path: Path, fault: str) -> None:
    folder = tmp_path / "images"
    says = "images"
    if fault == "empty":
        folder.mkdir()
    elif fault != "missing":
        _images(folder)
    if fault == "class":
        for path in (folder / "test" / "dog").iterdir():
            path.unlink()
        (folder / "test" / "dog").rmdir()
        says = "dog"
    if fault == "size":
        Image.new("L", (9, 9)).save(folder / "train" / "dog" / "3.png")
        says = "3.png"
    if fault == "truncated":
        path = folder / "test" / "cat" / "5.png"
        path.write_bytes(path.read_bytes()[:40])
        says = "5.png"
    words = ["run", "--methods", "pgd_at", "--init", "scratch", *QUICK]
    refused(*words, "--dataset", f"folder:{folder}", "--out", tmp_path / "out", saying=(says,))


def test_an_edited_or_damaged_config_is_refused_and_kept(fairbench: Callable, tmp_path: Path) -> None:
    words = ["run", "--methods", "natural", "--init", "scratch", *QUICK, "--out", tmp_path / "out"]
    assert fairbench(*words).code == 0
    (config,) = (tmp_path / "out").rglob("config.json")
    weights = (config.parent / "model.safetensors").read_bytes()
    values = json.loads(config.read_text())
    values["track"]["epsilon"] = 0.5
    for text in (json.dumps(values), config.read_text()[:-40]):
        config.write_text(text)
        answer = fairbench(*words)
        assert answer.code == 2
        assert "config.json" in answer.err
        assert "--fresh" in answer.err
        assert config.read_text() == text
        assert (config.parent / "model.safetensors").read_bytes() == weights
    assert fairbench(*words, "--fresh").code == 0


def test_a_folder_that_cannot_be_written_is_refused(refused: Callable, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    words = ["run", "--methods", "natural", "--init", "scratch", *QUICK]
    refused(*words, "--out", blocker / "out", saying=("cannot write", "--out"))
    assert blocker.read_text() == "in the way"


def test_a_full_disk_is_named(refused: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    words = ["run", "--methods", "natural", "--init", "scratch", *QUICK]
    refused(*words, "--out", tmp_path / "out", saying=("disk is full", "same command again"))


def test_a_report_without_runs_says_how_to_make_some(refused: Callable, tmp_path: Path) -> None:
    refused("report", "--runs", tmp_path, "--out", tmp_path / "pages", saying=("no records", "fairbench run"))
