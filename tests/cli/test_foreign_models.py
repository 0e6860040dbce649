"""The commands for models from elsewhere."""

import json
import re

import pytest
import torch

from fairbench.files import sha256_file
from fairbench.models import NORMALISATIONS, create_model, read_tensors, save_weights


def test_a_download_is_refused_where_the_network_is_forbidden(fairbench, monkeypatch):
    monkeypatch.setenv("FAIRBENCH_OFFLINE", "1")
    answer = fairbench("evaluate", "--robustbench", "Wong2020Fast", "--download", "--dataset", "digits")
    assert answer.code == 2
    assert "cannot fetch Wong2020Fast: FAIRBENCH_OFFLINE is set" in answer.err


def test_a_converted_checkpoint_says_all_about_itself(fairbench, tmp_path):
    state = create_model("cnn_small", num_classes=7).state_dict()
    bare = {f"module.{name}": tensor for name, tensor in state.items() if name not in {"mu", "sd"}}
    torch.save({"net": bare, "epoch": 3}, tmp_path / "x.pt")
    command = ("convert", tmp_path / "x.pt", "--model", "cnn_small", "--normalise", "cifar10")
    answer = fairbench(*command, "--out", tmp_path / "y.safetensors", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["sha256"] == sha256_file(tmp_path / "y.safetensors")
    converted = read_tensors(tmp_path / "y.safetensors")
    assert converted.keys() == state.keys()
    assert converted["sd"].flatten().tolist() == pytest.approx(NORMALISATIONS["cifar10"].std)


@pytest.mark.parametrize(
    ("words", "saying"),
    [
        (("--model", "cnn_tiny", "--out", "y.pt"), "written as safetensors"),
        (("--model", "rn18", "--out", "y.safetensors"), "not for this rn18"),
        (("--model", "cnn_tiny", "--out", "y.safetensors", "--normalise", "x"), "unknown normalisation 'x'"),
    ],
)
def test_a_conversion_that_makes_no_sense_writes_nothing(fairbench, tmp_path, monkeypatch, words, saying):
    monkeypatch.chdir(tmp_path)
    torch.save(create_model("cnn_tiny", image_shape=(1, 8, 8)).state_dict(), "x.pt")
    answer = fairbench("convert", "x.pt", *words)
    assert answer.code == 2
    assert re.search(saying, answer.err)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_an_audit_prints_the_weakest_class_with_its_interval(fairbench, tmp_path):
    save_weights(create_model("cnn_tiny", image_shape=(1, 8, 8)), tmp_path / "x.safetensors")
    command = ("evaluate", "--model", "cnn_tiny", "--checkpoint", tmp_path / "x.safetensors", "--dataset", "digits")
    answer = fairbench(*command, "--attacks", "clean")
    assert answer.code == 0, answer.err
    assert re.search(r"clean +\d+\.\d \(\d+\.\d-\d+\.\d\) +\w+ +\d+\.\d \(\d+\.\d-\d+\.\d\)", answer.out)
    assert re.search(r"clean: \w+ as \w+ \d+\.\d %", answer.out)
    found = json.loads(fairbench(*command, "--attacks", "clean", "--json").out)
    assert found["findings"]["clean"]["average"] == found["conditions"]["clean"]["average"]
