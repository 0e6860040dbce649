"""``fairbench report``: its options reach the pages, its refusals say what to do, and watching writes anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "leaderboard"))
from synthetic import make_values, write_values

FEW = ("clean", "aa")


@pytest.fixture
def records(tmp_path: Path) -> Path:
    for name in ("pgd_at", "faal"):
        write_values(tmp_path / "runs", make_values(name, conditions=FEW, last=None))
    return tmp_path / "runs"


def test_comparison_and_audit_are_written_and_named(fairbench: Callable, records: Path, tmp_path: Path) -> None:
    foreign = make_values(
        "rn18", track=None, seed=None, training=None, selected_on="unknown", conditions=FEW, last=None
    )
    write_values(records, foreign | {"protocol": "modified", "departures": ["evaluated outside a track"]})
    answer = fairbench("report", "--runs", records, "--out", tmp_path / "out", "--compare", "faal,pgd_at")
    assert answer.code == 0
    assert [line.split(" is ")[0] for line in answer.out.splitlines()] == ["The page", "The comparison", "The audit"]
    for line in answer.out.splitlines():
        assert Path(line.split(" is ")[1]).is_file()


@pytest.mark.parametrize(
    ("pair", "saying"), [("faal", "does not name two methods"), ("faal,frl", "unknown method 'frl'"), ("a,,b", "empty")]
)
def test_a_pair_that_cannot_be_compared(
    fairbench: Callable, records: Path, tmp_path: Path, pair: str, saying: str
) -> None:
    answer = fairbench("report", "--runs", records, "--out", tmp_path / "out", "--compare", pair)
    assert answer.code == 2
    assert saying in answer.err


def test_watching_writes_again_and_survives_a_damaged_record(
    fairbench: Callable, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "out" / "digits" / "results.csv"

    def changes(folder: Path, *, seconds: float):
        assert folder == records
        assert seconds > 0
        assert "frl" not in page.read_text("utf-8")
        path = write_values(records, make_values("frl", conditions=FEW, last=None))
        yield
        assert "frl" in page.read_text("utf-8")
        path.write_text(json.dumps(make_values("frl"))[:-5], "utf-8")
        yield
        assert "frl" in page.read_text("utf-8")
        raise KeyboardInterrupt

    monkeypatch.setattr("fairbench.report.watch.changes", changes)
    answer = fairbench("report", "--runs", records, "--out", tmp_path / "out", "--watch")
    assert answer.code == 0
    assert "The pages stay as they are: " in answer.err
    assert "is damaged" in answer.err
    assert answer.out.splitlines()[-1] == "Stopped"


def test_images_without_weights_say_why(fairbench: Callable, records: Path, tmp_path: Path) -> None:
    assert fairbench("report", "--runs", records, "--out", tmp_path / "out", "--images").code == 0
    text = next((tmp_path / "out" / "digits" / "runs").glob("faal-*.html")).read_text("utf-8")
    assert "model.safetensors and predictions.npz are not beside its record" in text
    assert "img-src data:" in text


@pytest.mark.parametrize("track", ["../outside", "a/b", ""])
def test_a_record_cannot_send_pages_elsewhere(fairbench: Callable, tmp_path: Path, track: str) -> None:
    folder = tmp_path / "runs" / "cell"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(make_values("faal", conditions=FEW, track=track)), "utf-8")
    answer = fairbench("report", "--runs", tmp_path / "runs", "--out", tmp_path / "out" / "deep")
    assert answer.code == 2
    assert "cannot name a track" in answer.err
    assert not list(tmp_path.rglob("*.html"))


def test_without_own_runs_the_published_boards_are_shown(
    fairbench: Callable, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fairbench("report", "--runs", records, "--publish").code == 0
    answer = fairbench("report", "--out", "out")
    assert (answer.code, answer.out) == (0, "The page is out/digits/index.html\n")
    board = tmp_path / "reports" / "boards" / "digits"
    for name in ("index.html", "results.csv", "runs.csv"):
        assert (tmp_path / "out" / "digits" / name).read_bytes() == (board / name).read_bytes()
    write_values(tmp_path / "checkpoints", make_values("frl", conditions=FEW, last=None))
    assert fairbench("report", "--out", "own").code == 0
    assert "faal" not in (tmp_path / "own" / "digits" / "results.csv").read_text("utf-8")
