"""Published boards: what is copied and refused, and that every committed page follows from its committed records."""

import csv
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from synthetic import make_record, make_values, write_values

from fairbench.errors import UsageError
from fairbench.evaluation.predictions import Predictions, read_predictions, write_predictions
from fairbench.leaderboard.records import load_runs
from fairbench.report.boards import KEPT, publish
from fairbench.report.command import command_of
from fairbench.report.render import Wishes, write_index, write_track

BOARDS = Path(__file__).parents[2] / "reports" / "boards"
COMMITTED = sorted(path.parent.name for path in BOARDS.glob("*/records"))
MIB = 2**20
SHORT = Wishes(runs=False)


def make_run(folder, method="faal", *, seed=0, commit="0123456789abcdef", **changes):
    values = make_values(method, seed=seed, conditions=("clean", "aa"), last=None, **changes)
    values["environment"]["git_commit"] = commit
    path = write_values(folder, values, cell=f"{method}-0badcafe")
    for name in ("config.json", "log.jsonl", "model.safetensors", "resume.pt"):
        path.with_name(name).write_text("", "utf-8")
    write_predictions(path.with_name("predictions.npz"), answers_of(values["conditions"]))
    return path


def answers_of(conditions):
    """Answers image by image that have these confusions."""
    classes = np.arange(10, dtype=np.int16)
    totals = next(iter(conditions.values()))["class_total"]
    rows = {name: [np.repeat(classes, row) for row in one["confusion"]] for name, one in conditions.items()}
    return Predictions(np.repeat(classes, totals), {name: np.concatenate(row) for name, row in rows.items()})


def publish_all(tmp_path, track="digits"):
    return publish(load_runs(tmp_path / "runs"), tmp_path / "boards", track, SHORT, source=tmp_path / "runs")


@pytest.mark.usefixtures("undrawn")
def test_a_board_holds_what_its_page_rests_on_and_no_weights(tmp_path):
    for seed in (0, 1):
        make_run(tmp_path / "runs", seed=seed)
    make_run(tmp_path / "runs", "frl", track="fmnist")
    page = publish_all(tmp_path)
    assert page == tmp_path / "boards" / "digits" / "index.html"
    entries = {path.name: {file.name for file in path.iterdir()} for path in (page.parent / "records").iterdir()}
    assert entries == {f"faal-0badcafe-seed{seed}": set(KEPT) for seed in (0, 1)}
    for seed in (0, 1):
        copy = page.parent / "records" / f"faal-0badcafe-seed{seed}" / "predictions.npz"
        source = next(tmp_path.glob(f"runs/**/seed{seed}/predictions.npz"))
        np.testing.assert_equal(vars(read_predictions(copy)), vars(read_predictions(source)))
        assert copy.stat().st_size < source.stat().st_size
        ours, theirs = (path.with_name("record.json").read_text("utf-8") for path in (copy, source))
        assert json.loads(ours) == json.loads(theirs)
        assert len(ours.splitlines()) < 40
        assert sum(line.startswith(('"clean":', '"aa":')) for line in ours.splitlines()) == 2


@pytest.mark.usefixtures("undrawn")
def test_a_board_is_written_again_from_itself_to_the_same_bytes(tmp_path):
    make_run(tmp_path / "runs")
    make_run(tmp_path / "runs", "pgd_at")
    page = publish_all(tmp_path)
    before = {path: path.read_bytes() for path in sorted(page.parent.rglob("*")) if path.is_file()}
    shutil.rmtree(tmp_path / "runs")
    again = load_runs(tmp_path / "boards")
    assert publish(again, tmp_path / "boards", "digits", SHORT, source=tmp_path) == page
    assert {path: path.read_bytes() for path in sorted(page.parent.rglob("*")) if path.is_file()} == before


@pytest.mark.usefixtures("undrawn")
def test_another_run_joins_a_board_and_a_second_one_replaces_the_first(tmp_path):
    make_run(tmp_path / "runs")
    publish_all(tmp_path)
    shutil.rmtree(tmp_path / "runs")
    path = make_run(tmp_path / "runs", level=0.6)
    path.with_name("log.jsonl").unlink()
    make_run(tmp_path / "runs", "wat")
    board = publish_all(tmp_path).parent
    assert json.loads((board / "records" / "faal-0badcafe-seed0" / "record.json").read_text("utf-8")) == json.loads(
        path.read_text("utf-8")
    )
    assert not (board / "records" / "faal-0badcafe-seed0" / "log.jsonl").exists()
    with (board / "results.csv").open(encoding="utf-8", newline="") as stream:
        assert {row["method"] for row in csv.DictReader(stream)} == {"faal", "wat"}


@pytest.mark.parametrize(("commit", "state"), [(None, "from no known commit"), ("012abc-dirty", "with changes")])
def test_numbers_that_lead_back_to_no_commit_are_refused(tmp_path, commit, state):
    make_run(tmp_path / "runs")
    make_run(tmp_path / "runs", "frl", commit=commit)
    with pytest.raises(UsageError, match=rf"frl.* was made by code {state}.*; run it from a clean checkout"):
        publish_all(tmp_path)
    assert not (tmp_path / "boards").exists()


def test_a_track_without_runs_is_refused(tmp_path):
    make_run(tmp_path / "runs")
    with pytest.raises(UsageError, match=r"no records of track fmnist in .*runs"):
        publish_all(tmp_path, "fmnist")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"init": "trades"}, ["--init", "trades"]),
        (
            {"departures": ["battery.conditions = ['clean', 'aa'] instead of ['clean']"]},
            ["--set", "battery.conditions=['clean', 'aa']"],
        ),
        (
            {"departures": ["battery.conditions lack clean, pgd20", "schedule.epochs = 5 instead of 2"]},
            ["--set", "battery.conditions=[aa]", "--set", "schedule.epochs=5"],
        ),
        ({"departures": ["schedule.steps_per_epoch = None instead of 5"]}, ["--set", "schedule.steps_per_epoch=null"]),
        ({"departures": ["dataset = folder:a b instead of digits"]}, ["--dataset", "folder:a b"]),
    ],
)
def test_the_command_of_a_record_asks_for_the_same(changes, words):
    record = make_record("faal?tau=0.3&divergence=kl", seed=2, conditions=("aa",), last=None)
    first = ["fairbench", "run", "--track", "digits", "--methods", "faal?tau=0.3&divergence=kl", "--seeds", "2"]
    assert shlex.split(command_of(record.model_copy(update=changes))) == first + words


@pytest.mark.parametrize("trained", [{"training": None}, {}])
def test_the_command_of_a_base_names_no_start(trained):
    record = make_record("base:trades", init="trades", conditions=("aa",), last=None, **trained)
    assert command_of(record) == "fairbench run --track digits --methods base:trades --seeds 0"


@pytest.mark.parametrize(
    "changes",
    [
        {"departures": ["evaluated outside a track"]},
        {"origin": "plug-in mine.py"},
        {"track": None},
        {"track": "mine"},
        {"training": None},
    ],
)
def test_where_no_command_is_enough_there_is_none(changes):
    record = make_record("faal", conditions=("aa",), last=None)
    assert command_of(record.model_copy(update=changes)) == ""


@pytest.mark.parametrize(
    ("label", "flags"),
    [
        ("trades (cnn_tiny, 0badcafe0bad)", ""),
        ("pgd_at (cnn_tiny, 0badcafe0bad)", " --teacher robust=pgd_at"),
        ("robust trades (cnn_tiny, 0badcafe0bad), clean natural (cnn_tiny, 0badcafe0bad)", ""),
        ("robust trades (cnn_tiny, 0badcafe0bad), clean trades (cnn_tiny, 0badcafe0bad)", " --teacher clean=trades"),
    ],
)
def test_the_command_names_teachers_that_are_not_the_tracks_own(label, flags):
    record = make_record("ard", conditions=("aa",), last=None)
    record.training.config["teacher"] = label
    assert command_of(record) == f"fairbench run --track digits --methods ard --seeds 0{flags}"


@pytest.mark.parametrize("track", COMMITTED)
def test_every_run_of_a_committed_board_has_its_command_and_commit(track):
    rows = list(csv.DictReader((BOARDS / track / "runs.csv").read_text("utf-8").splitlines()))
    assert rows
    for row in rows:
        assert row["command"].startswith(f"fairbench run --track {track} --methods "), row["method"]
        assert len(row["commit"]) == 40, row["method"]


@pytest.mark.parametrize("track", COMMITTED)
def test_a_committed_board_follows_from_its_records(tmp_path, track):
    board = BOARDS / track
    page = write_track(load_runs(board / "records"), tmp_path, track, SHORT, source=board)
    for path in sorted(page.parent.iterdir()):
        assert path.read_bytes() == (board / path.name).read_bytes(), f"{path.name}: write the boards anew: make boards"


@pytest.mark.prove
@pytest.mark.parametrize("track", COMMITTED)
def test_every_page_of_a_committed_board_follows_from_its_records(tmp_path, track):
    board = BOARDS / track
    page = write_track(load_runs(board / "records"), tmp_path, track, Wishes(), source=board)
    written = {path.relative_to(page.parent) for path in page.parent.rglob("*") if path.is_file()}
    kept = {path.relative_to(board) for path in board.rglob("*") if path.is_file()}
    assert written == {path for path in kept if path.parts[0] != "records"}
    for path in written:
        assert (page.parent / path).read_bytes() == (board / path).read_bytes(), path


@pytest.mark.skipif(not COMMITTED, reason="no board is committed")
def test_the_index_of_the_committed_boards_lists_them(tmp_path):
    for track in COMMITTED:
        (tmp_path / track).mkdir()
        for name in ("index.html", "results.csv"):
            shutil.copyfile(BOARDS / track / name, tmp_path / track / name)
    assert write_index(tmp_path).read_bytes() == (BOARDS / "index.html").read_bytes()


@pytest.mark.parametrize("track", COMMITTED)
def test_every_number_of_a_committed_board_leads_back_to_a_commit(track):
    for run in load_runs(BOARDS / track):
        assert len(run.record.environment.git_commit or "") == 40


def test_committed_boards_stay_small():
    assert sum(path.stat().st_size for path in BOARDS.rglob("*") if path.is_file()) < 40 * MIB
