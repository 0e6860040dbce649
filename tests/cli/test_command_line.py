"""The command line, used as a newcomer would."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fairbench import __version__

CLEAN = ("--set", "epochs=1", "--set", "steps_per_epoch=4", "--set", "conditions=[clean]")
ATTACKED = (*CLEAN[:-1], "battery.conditions=[clean,fgsm]")


def test_help_and_version_do_not_load_torch() -> None:
    program = "import runpy, sys; sys.argv[1:] = ['--help']\ntry: runpy.run_module('fairbench', run_name='__main__')\n"
    program += "except SystemExit: pass\nassert 'torch' not in sys.modules and 'pydantic' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in ("run", "report", "evaluate", "methods", "tracks", "data", "metrics", "doctor"):
        assert verb in done.stdout


def test_version(fairbench: Callable) -> None:
    assert __version__ in fairbench("--version").out


def test_listings_for_programs(fairbench: Callable) -> None:
    names = {method["name"] for method in json.loads(fairbench("methods", "list", "--json").out)}
    assert {"natural", "pgd_at", "trades", "faal", "frl", "cfa"} <= names
    tracks = json.loads(fairbench("tracks", "list", "--json").out)
    assert {"digits", "fmnist", "cifar10-prn18-ft"} <= {track["name"] for track in tracks}
    assert json.loads(fairbench("tracks", "show", "digits", "--json").out)["epsilon"] == 0.2
    shown = json.loads(fairbench("methods", "show", "faal@trades+awp?tau=0.3", "--json").out)
    assert shown["options"]["faal"]["tau"] == 0.3
    assert shown["modifiers"] == ["awp"]
    assert "worst" in {metric["name"] for metric in json.loads(fairbench("metrics", "list", "--json").out)}
    assert json.loads(fairbench("doctor", "--json").out)["fairbench"] == __version__
    assert json.loads(fairbench("data", "check", "digits", "--json").out)["images_per_class"]["test"] == [45] * 10


@pytest.mark.parametrize(
    "words", [("methods", "list"), ("methods", "show", "cfa"), ("tracks", "list"), ("tracks", "show", "fmnist"),
              ("metrics", "explain", "worst"), ("data", "list"), ("doctor",)]
)  # fmt: skip
def test_listings_for_people(fairbench: Callable, words: tuple[str, ...]) -> None:
    answer = fairbench(*words)
    assert answer.code == 0
    assert len(answer.out.splitlines()) >= 3


def test_from_run_to_page(fairbench: Callable, tmp_path: Path) -> None:
    out, pages = tmp_path / "checkpoints", tmp_path / "reports"
    run = ("run", "--methods", "base:pgd_at,pgd_at,faal@trades+awp", *CLEAN, "--out", out)
    assert fairbench(*run).code == 0
    folders = sorted(path.parent for path in out.rglob("record.json"))
    assert len(folders) == 3
    for folder in folders:
        present = {path.name for path in folder.iterdir()}
        assert {"config.json", "record.json", "predictions.npz"} <= present
        assert "resume.pt" not in present
    trained = next(folder for folder in folders if folder.parent.name.startswith("faal"))
    assert {"model.safetensors", "last.safetensors", "log.jsonl"} <= {path.name for path in trained.iterdir()}

    record = json.loads((trained / "record.json").read_text())
    assert record["protocol"] == "modified"
    assert record["selected_on"] == "select"
    assert record["method"] == "faal@trades+awp"
    assert record["training"]["inner_attack"] == "pgd on KL(clean || adversarial)"
    assert record["training"]["hidden_settings"] == {
        "nesterov": False,
        "weight_decay": 5e-4,
        "padding_mode": "no crop",
        "loss_divided": False,
        "objective": "class_mean",
        "divergence": "reverse_kl",
        "attack_bn": "eval",
        "extra_clean_forwards": 0,
        "precision": "float32",
        "compiled": False,
    }
    stored = np.load(trained / "predictions.npz", allow_pickle=False)
    clean = record["conditions"]["clean"]
    assert clean["average"] == pytest.approx((stored["predictions"][:, 0] == stored["labels"]).mean())
    assert sum(clean["class_total"]) == len(stored["labels"]) == 450

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.suffix in (".json", ".safetensors")}
    again = fairbench(*run)
    assert again.code == 0
    assert again.err.count("already done") == 3
    assert before == {path: path.stat().st_mtime_ns for path in before}

    answer = fairbench("report", "--runs", out, "--out", pages)
    assert answer.code == 0
    page = (pages / "digits" / "index.html").read_text()
    for method in ("base:pgd_at", "pgd_at", "faal@trades+awp"):
        assert method in page
    assert "method" in (pages / "digits" / "results.csv").read_text().splitlines()[0]


def test_dry_run_writes_nothing(fairbench: Callable, tmp_path: Path) -> None:
    answer = fairbench("run", "--methods", "faal,frl", "--seeds", "0-2", "--dry-run", "--json", "--out", tmp_path / "o")
    assert answer.code == 0
    plan = json.loads(answer.out)
    assert [cell["seed"] for cell in plan] == [0, 1, 2] * 2
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "settings", [CLEAN, pytest.param(("--set", "epochs=1"), marks=pytest.mark.prove)], ids=["quick", "whole_battery"]
)
def test_two_runs_of_one_command_agree_to_the_bit(
    fairbench: Callable, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    weights = []
    for name in ("a", "b"):
        out = tmp_path / name
        assert fairbench("run", "--methods", "frl", *settings, "--out", out).code == 0
        (folder,) = (path.parent for path in out.rglob("record.json"))
        weights.append([(folder / file).read_bytes() for file in ("model.safetensors", "predictions.npz")])
    assert weights[0] == weights[1]


def test_evaluate_a_run_and_a_checkpoint(fairbench: Callable, tmp_path: Path) -> None:
    out = tmp_path / "checkpoints"
    assert fairbench("run", "--methods", "pgd_at", *ATTACKED, "--out", out).code == 0
    (folder,) = (path.parent for path in out.rglob("record.json"))
    recorded = json.loads((folder / "record.json").read_text())["conditions"]
    of_run = fairbench("evaluate", "--run", folder, "--attacks", "clean", "--json")
    assert json.loads(of_run.out)["conditions"]["clean"]["class_correct"] == recorded["clean"]["class_correct"]
    target = tmp_path / "audit"
    words = ("--checkpoint", folder / "model.safetensors", "--model", "cnn_tiny", "--dataset", "digits")
    answer = fairbench("evaluate", *words, "--attacks", "clean,fgsm", "--eps", "0.2", "--out", target)
    assert answer.code == 0
    audited = json.loads((target / "record.json").read_text())
    assert audited["selected_on"] == "unknown"
    assert audited["conditions"]["fgsm"]["class_correct"] == recorded["fgsm"]["class_correct"]
    assert (target / "predictions.npz").exists()
