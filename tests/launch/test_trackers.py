"""Trackers are told every epoch once, by name, and never stand in the way."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from grids import quick_cells

from fairbench.errors import UsageError
from fairbench.launch import trackers
from fairbench.launch.grid import Surroundings, jobs_of, run_in_turn
from fairbench.launch.trackers import check_tracker, scalars, tracking
from fairbench.progress import Silent


class Heard:
    def __init__(self, cell):
        self.cell, self.rows, self.closed = cell, [], False
        Heard.last = self

    def log(self, epoch, values):
        self.rows.append((epoch, dict(values)))

    def close(self):
        self.closed = True


@pytest.fixture
def heard(monkeypatch):
    monkeypatch.setitem(trackers.TRACKERS, "heard", Heard)
    return Heard


def test_every_epoch_of_a_cell_is_told_once(tmp_path, heard):
    (cell,) = quick_cells(tmp_path, "faal", overrides={"epochs": "3"})
    run_in_turn(jobs_of([cell]), torch.device("cpu"), Surroundings(tracker="heard"), Silent())
    assert [epoch for epoch, _ in heard.last.rows] == [1, 2, 3]
    logged = [json.loads(line) for line in (cell.folder / "log.jsonl").read_text().splitlines()]
    assert heard.last.rows[2][1]["loss"] == logged[2]["loss"]
    assert heard.last.rows[2][1]["select_pgd_class_accuracy/4"] == logged[2]["select_pgd_class_accuracy"][4]
    assert heard.last.closed


def test_rows_of_an_interrupted_call_are_not_repeated_and_a_fresh_start_is(tmp_path, heard):
    (cell,) = quick_cells(tmp_path, "pgd_at")
    cell.folder.mkdir(parents=True)
    log = cell.folder / "log.jsonl"
    log.write_text('{"epoch": 1, "loss": 2.0}\n')
    with tracking(cell, "heard"):
        log.write_text('{"epoch": 1, "loss": 2.0}\n{"epoch": 2, "loss": 1.0}\n')
    assert heard.last.rows == [(2, {"loss": 1.0})]
    with tracking(cell, "heard"):
        log.write_text('{"epoch": 1, "loss": 3.0}\n')
    assert heard.last.rows == [(1, {"loss": 3.0})]


def test_numbers_are_named_by_their_place():
    row = {"epoch": 3, "loss": 1, "note": "text", "flag": True, "margins": [0.5, None, 2], "inner": {"a": {"b": [7]}}}
    assert scalars(row) == {"loss": 1.0, "margins/0": 0.5, "margins/2": 2.0, "inner/a/b/0": 7.0}


def test_unknown_and_missing_trackers_are_refused_with_the_cure(monkeypatch):
    check_tracker(None)
    with pytest.raises(UsageError, match="did you mean tensorboard"):
        check_tracker("tensorbord")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match=r"pip install 'robust-fairbench\[wandb\]'"):
        check_tracker("wandb")


def test_each_tracker_is_called_as_its_package_wants(tmp_path, monkeypatch):
    (cell,) = quick_cells(tmp_path, "pgd_at")
    calls = []

    class Recorder(SimpleNamespace):
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return lambda *args, **kwargs: calls.append((name, args, kwargs)) or Recorder(run_id="r", info=self)

    recorder = Recorder(run_id="r")
    monkeypatch.setitem(sys.modules, "tensorboard", recorder)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", recorder)
    monkeypatch.setitem(sys.modules, "wandb", recorder)
    monkeypatch.setitem(sys.modules, "mlflow", Recorder(MlflowClient=lambda: recorder))
    for name in ("tensorboard", "wandb", "mlflow"):
        calls.clear()
        tracker = trackers.TRACKERS[name](cell)
        tracker.log(4, {"loss": 0.5})
        tracker.close()
        told = [call for call in calls if 0.5 in call[1] or {"loss": 0.5} in call[1]]
        assert len(told) == 1, (name, calls)
        assert 4 in (*told[0][1], *told[0][2].values())
        assert calls[-1][0] in ("close", "finish", "set_terminated")
