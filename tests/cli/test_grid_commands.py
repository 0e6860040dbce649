"""run --jobs, status, plan and merge from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

QUICK = ("--set", "epochs=1", "--set", "steps_per_epoch=2", "--set", "steps=2", "--set", "conditions=[clean]")


def test_a_grid_from_plan_to_merge(fairbench: Callable, tmp_path: Path) -> None:
    out, cells = tmp_path / "runs", ("--methods", "pgd_at,trades", "--out", tmp_path / "runs", *QUICK)
    plan = json.loads(fairbench("plan", "--methods", "pgd_at", "--seeds", "0-1", *cells[2:], "--json").out)
    assert [cell["done"] for cell in plan["cells"]] == [False, False]
    assert plan["device_seconds"] > 0
    assert not out.exists()
    ran = fairbench("run", *cells, "--jobs", 2, "--threads", 1)
    assert ran.code == 0, ran.err
    assert "done   digits: trades, seed 0" in ran.err
    assert "average / worst class" in ran.out
    status = json.loads(fairbench("status", "--runs", out, "--json").out)
    assert [(cell["method"], cell["state"]) for cell in status] == [("pgd_at", "done"), ("trades", "done")]
    assert "2 cells: 2 done" in fairbench("status", "--runs", out, "--watch").out
    assert json.loads(fairbench("plan", *cells, "--json").out)["device_seconds"] == 0
    assert "2 copied" in fairbench("merge", out, "--out", tmp_path / "all").out
    next((tmp_path / "all").glob("digits/trades*/seed0/model.safetensors")).write_bytes(b"other")
    conflicting = fairbench("merge", out, "--out", tmp_path / "all")
    assert conflicting.code == 1
    assert "model.safetensors" in conflicting.err


def test_a_cell_that_fails_leaves_the_others_and_says_how_to_repeat_it(fairbench: Callable, tmp_path: Path) -> None:
    words = ("run", "--methods", "pgd_at,trades", "--out", tmp_path, *QUICK)
    assert fairbench(*words, "--dry-run").code == 0
    folders = json.loads(fairbench(*words, "--dry-run", "--json").out)
    broken = Path(folders[0]["folder"])
    broken.mkdir(parents=True)
    (broken / "config.json").write_text("{}")
    ran = fairbench(*words)
    assert ran.code == 1
    assert "1 of 2 cells failed" in ran.err
    assert "again: fairbench run --methods pgd_at" in ran.err
    assert Path(folders[1]["folder"], "record.json").exists()
    assert "failed" in fairbench("status", "--runs", tmp_path).out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "--methods", "pgd_at", "--launcher", "cloud"), "unknown launcher 'cloud'"),
        (("run", "--methods", "pgd_at", "--launcher", "slurm", "--slurm", "time=soon"), "--slurm time=soon"),
        (("status",), "no grid was started"),
        (("merge", "nothing-here"), "holds no runs"),
    ],
)
def test_grid_commands_refuse_what_makes_no_sense(
    fairbench: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = fairbench(*words)
    assert answer.code == 2
    assert told in answer.err
    assert "Traceback" not in answer.err
