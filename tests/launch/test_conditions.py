"""Conditions that are asked for later are added to the cell that is there; nothing is trained or answered again."""

import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from grids import contents, quick_cells

from fairbench.evaluation import read_predictions, read_record
from fairbench.launch import slurm
from fairbench.launch.cells import Cell
from fairbench.launch.grid import Surroundings, jobs_of, run_in_turn
from fairbench.launch.merge import merge
from fairbench.launch.plan import plan_grid
from fairbench.launch.probe import Cost
from fairbench.launch.slurm import ClusterOptions, submit
from fairbench.launch.status import planned_cells, statuses, write_grid
from fairbench.progress import Silent
from fairbench.protocol.conditions import battery_departure, is_battery_departure, lacking

FEW, OTHERS, ALL = "[clean]", "[fgsm]", "[clean, fgsm]"


def cell_with(out: Path, conditions: str) -> Cell:
    (cell,) = quick_cells(out, "pgd_at", overrides={"conditions": conditions})
    return cell


def run(out: Path, conditions: str) -> Cell:
    cell = cell_with(out, conditions)
    run_in_turn(jobs_of([cell]), torch.device("cpu"), Surroundings(), Silent())
    return cell


def stamps(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("few")
    run(out, FEW)
    return out


@pytest.fixture(scope="module")
def grown(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clean images first, FGSM later."""
    out = tmp_path_factory.mktemp("grown") / "runs"
    shutil.copytree(few, out)
    run(out, OTHERS)
    return out


@pytest.fixture
def unprobed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairbench.launch.work.masking_of", lambda *_, **__: None)


@pytest.fixture
def copied(few: Path, tmp_path: Path) -> Path:
    shutil.copytree(few, tmp_path / "runs")
    return tmp_path / "runs"


def test_what_is_asked_for_later_joins_what_is_there(few, grown):
    cell, before = cell_with(grown, ALL), cell_with(few, FEW).folder
    for name in ("config.json", "training.json", "log.jsonl", "model.safetensors", "last.safetensors"):
        assert (cell.folder / name).read_bytes() == (before / name).read_bytes()
    first, now = read_record(before), read_record(cell.folder)
    assert (list(first.conditions), list(now.conditions)) == (["clean"], ["clean", "fgsm"])
    assert now.conditions["clean"] == first.conditions["clean"]
    assert now.training == first.training
    assert now.last == first.last
    assert first.masking is None
    assert now.masking is not None
    assert now.departures == [line.replace("fgsm, ", "") for line in first.departures]
    assert now.departures[-1] == "battery.conditions lack pgd20, cw20, cw30, aa, square"


@pytest.mark.usefixtures("unprobed")
def test_the_order_in_which_conditions_come_changes_nothing(grown, tmp_path):
    cell = run(tmp_path, OTHERS)
    run(tmp_path, ALL)
    assert contents(tmp_path) == contents(grown)
    first, second = (read_record(cell_with(out, ALL).folder) for out in (grown, tmp_path))
    assert list(first.conditions) == list(second.conditions)
    assert first.departures == second.departures
    assert first.ledger == second.ledger
    assert first.last is not None
    assert second.last is not None
    assert first.last.conditions.keys() == second.last.conditions.keys() == {"clean"}
    assert cell.folder.name == "seed0"


def test_fewer_conditions_are_done_and_nothing_is_touched(grown):
    folder = cell_with(grown, FEW).folder
    before = stamps(folder)
    run(grown, OTHERS)
    assert stamps(folder) == before


@pytest.mark.usefixtures("unprobed")
def test_a_battery_that_became_whole_departs_from_nothing(copied):
    def with_battery_of(cell: Cell, *conditions: str) -> Cell:
        battery = cell.track.battery.model_copy(update={"conditions": list(conditions)})
        return dataclasses.replace(cell, track=cell.track.model_copy(update={"battery": battery}))

    for conditions, lines in ((FEW, 1), (ALL, 0)):
        cell = with_battery_of(cell_with(copied, conditions), "clean", "fgsm")
        run_in_turn(jobs_of([cell]), torch.device("cpu"), Surroundings(), Silent())
        assert len(read_record(cell.folder).departures) - len(cell.departures) == lines


@pytest.mark.parametrize(
    ("asked", "present", "missing"),
    [
        (["clean", "aa"], ["clean", "aa", "fgsm"], []),
        (["clean", "corruptions.fog"], ["clean", *(f"corruptions.fog.{level}" for level in range(1, 6))], []),
        (["clean", "corruptions.fog"], ["clean", "corruptions.fog.1"], ["corruptions.fog"]),
        (["corruptions"], ["clean", "corruptions.fog.1"], ["corruptions"]),
        (["epsilon.0.05", "aa"], ["clean"], ["epsilon.0.05", "aa"]),
    ],
)
def test_what_is_lacking_is_named_as_it_was_asked(asked, present, missing):
    assert lacking(asked, present) == missing
    lines = battery_departure(asked, present)
    assert lines == ([f"battery.conditions lack {', '.join(missing)}"] if missing else [])
    assert all(map(is_battery_departure, lines))


def test_status_waits_for_all_that_was_asked(few, copied):
    def states() -> list[tuple[str, list[str]]]:
        return [(each.state.value, each.planned.conditions) for each in statuses(copied, planned_cells(copied))]

    for conditions, expected in ((FEW, [("done", ["clean"])]), (OTHERS, [("waiting", ["clean", "fgsm"])])):
        write_grid(jobs_of([cell_with(copied, conditions)]), copied)
        assert sorted(states()) == sorted(expected)
    (folder,) = copied.glob("digits/*/seed0")
    values = json.loads((folder / "record.json").read_text())
    values["conditions"]["fgsm"] = {}
    (folder / "record.json").write_text(json.dumps(values))
    assert states()[0][0] == "done"


def test_a_plan_prices_what_is_missing(few):
    by_condition = {"clean": 1.0, "fgsm": 2.0}
    cost = Cost(
        start=1.0, epoch=9.0, epochs=1, conditions=by_condition, last={"clean": 1.0}, weights_bytes=100, answers_bytes=1
    )
    plan = plan_grid(jobs_of([cell_with(few, ALL)]), 1, lambda job: cost)
    assert (plan.device_seconds, plan.disk_bytes) == (2.0, 1)
    assert plan_grid(jobs_of([cell_with(few, FEW)]), 1, lambda job: cost).jobs[0].cost is None


def test_the_cluster_gets_what_is_missing(few, monkeypatch):
    array = Mock()
    array.submit_array.return_value = [SimpleNamespace(job_id="7")]
    monkeypatch.setattr(slurm, "_executor", lambda *_, **__: array)
    for conditions, ids in ((FEW, []), (ALL, ["7"])):
        submitted = submit(jobs_of([cell_with(few, conditions)]), Surroundings(), ClusterOptions(), few, device="cpu")
        assert list(submitted.values()) == ids


def test_merging_brings_conditions_that_are_new(few, grown, copied):
    assert len(merge(grown, copied).extended) == 1
    assert contents(copied) == contents(grown)
    (folder,) = copied.glob("digits/*/seed0")
    assert list(read_record(folder).conditions) == list(read_predictions(folder).by_condition) == ["clean", "fgsm"]
    assert len(merge(few, copied).present) == 1
    before = stamps(folder)
    run(copied, ALL)
    assert stamps(folder) == before


@pytest.mark.usefixtures("unprobed")
def test_folders_that_each_hold_what_the_other_lacks_are_named(few, tmp_path):
    run(tmp_path, OTHERS)
    (folder,) = tmp_path.glob("digits/*/seed0")
    before = stamps(folder)
    (conflict,) = merge(few, tmp_path).conflicts
    assert (conflict.here, conflict.there) == ("fgsm", "clean")
    assert "in one of the two" in conflict.cure
    assert stamps(folder) == before


def test_the_battery_says_what_the_search_computes_in(tmp_path):
    overrides = {"conditions": "[square]", "battery.search_precision": "bfloat16", "battery.square_queries": "1"}
    (cell,) = quick_cells(tmp_path, "pgd_at", overrides=overrides)
    run_in_turn(jobs_of([cell]), torch.device("cpu"), Surroundings(), Silent())
    record = read_record(cell.folder)
    assert record.conditions["square"].settings["search_precision"] == "bfloat16"
    assert "battery.search_precision = bfloat16 instead of float32" in record.departures
