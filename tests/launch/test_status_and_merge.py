"""Status is read from files alone; merging copies what is new and names what differs."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from grids import contents, quick_cells

from fairbench.errors import UsageError
from fairbench.launch.failures import record_failure
from fairbench.launch.grid import Surroundings, jobs_of, run_in_turn
from fairbench.launch.merge import merge
from fairbench.launch.status import Planned, State, planned_cells, statuses, write_grid
from fairbench.launch.tasks import Failure
from fairbench.locks import claimed, lock_beside
from fairbench.progress import Silent


def run(cells):
    run_in_turn(jobs_of(cells), torch.device("cpu"), Surroundings(), Silent())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished")
    run(quick_cells(out, "pgd_at", "trades"))
    return out


def states(out: Path) -> dict[str, str]:
    return {each.planned.method: each.state.value for each in statuses(out, planned_cells(out))}


def test_each_state_is_told_from_the_files(finished, tmp_path):
    out = tmp_path / "runs"
    shutil.copytree(finished, out)
    cells = quick_cells(out, "pgd_at", "trades", "faal", "frl", "cfa", "wat")
    write_grid(jobs_of(cells), out)
    by_method = {cell.written: cell for cell in cells}
    for method in ("faal", "frl", "cfa"):
        by_method[method].folder.mkdir(parents=True)
        (by_method[method].folder / "config.json").write_text("{}")
    (by_method["cfa"].folder / "log.jsonl").write_text("{}\n")
    record_failure(by_method["frl"], Failure(message="the loss became nan"))
    faal = by_method["faal"].folder
    with claimed(faal, lock_beside(faal), Silent()):
        assert states(out) == {
            "pgd_at": "done",
            "trades": "done",
            "faal": "running",
            "frl": "failed",
            "cfa": "interrupted",
            "wat": "waiting",
        }
    assert states(out)["faal"] == "interrupted"
    found = {each.planned.method: each for each in statuses(out, planned_cells(out))}
    assert (found["frl"].doing, found["cfa"].epoch, found["pgd_at"].epoch) == ("the loss became nan", 1, 1)


def test_grids_of_one_folder_are_shown_together_and_each_cell_once(tmp_path):
    write_grid(jobs_of(quick_cells(tmp_path, "pgd_at", "trades")), tmp_path)
    write_grid(jobs_of(quick_cells(tmp_path, "trades", "faal")), tmp_path)
    assert [cell.method for cell in planned_cells(tmp_path)] == ["faal", "pgd_at", "trades"]


def test_cells_that_were_run_alone_are_told_too(finished):
    assert [(cell.method, cell.seed, cell.epochs) for cell in planned_cells(finished)] == [
        ("pgd_at", 0, 1),
        ("trades", 0, 1),
    ]


def test_a_folder_without_grids_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no grid was started"):
        planned_cells(tmp_path)


def test_a_thousand_cells_are_told_apart(tmp_path):
    planned = [
        Planned(track="digits", method=f"m{number}", seed=0, folder=f"digits/m{number}/seed0", epochs=3)
        for number in range(1000)
    ]
    for cell in planned[::2]:
        (tmp_path / cell.folder).mkdir(parents=True)
        (tmp_path / cell.folder / "config.json").write_text("{}")
    found = statuses(tmp_path, planned)
    assert {each.state for each in found} == {State.WAITING, State.INTERRUPTED}


def test_new_runs_are_copied_whole_and_present_ones_left_alone(finished, tmp_path):
    out = tmp_path / "all"
    first = merge(finished, out)
    assert (len(first.copied), first.conflicts) == (2, [])
    assert contents(out) == contents(finished)
    again = merge(finished, out)
    assert (again.copied, len(again.present), again.conflicts) == ([], 2, [])


def test_results_that_differ_are_named_and_not_touched(finished, tmp_path):
    out = tmp_path / "all"
    merge(finished, out)
    weights = next(out.glob("digits/trades*/seed0/model.safetensors"))
    weights.write_bytes(b"other weights")
    merged = merge(finished, out)
    (conflict,) = merged.conflicts
    assert (conflict.file, conflict.cell.split("/")[1].split("-")[0]) == ("model.safetensors", "trades")
    assert conflict.here != conflict.there
    assert weights.read_bytes() == b"other weights"


def test_what_is_not_finished_stays_where_it_is(finished, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(finished, source)
    next(source.glob("digits/trades*/seed0/record.json")).unlink()
    merged = merge(source, tmp_path / "all")
    assert (len(merged.copied), len(merged.unfinished)) == (1, 1)
    assert not list((tmp_path / "all").glob("digits/trades*/seed0/*"))


def test_links_are_not_followed(finished, tmp_path):
    source, secret = tmp_path / "source", tmp_path / "secret"
    shutil.copytree(finished, source)
    secret.write_text("secret")
    next(source.glob("digits/trades*/seed0")).joinpath("notes.txt").symlink_to(secret)
    merge(source, tmp_path / "all")
    assert not list((tmp_path / "all").rglob("notes.txt"))


def test_merging_needs_runs_and_another_folder(finished, tmp_path):
    with pytest.raises(UsageError, match="holds no runs"):
        merge(tmp_path, tmp_path / "all")
    with pytest.raises(UsageError, match="the folder to merge into"):
        merge(finished, finished)


def test_a_damaged_record_is_refused(finished, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(finished, source)
    path = next(source.glob("digits/trades*/seed0/record.json"))
    values = json.loads(path.read_text())
    values["conditions"]["clean"]["average"] = 1.0
    path.write_text(json.dumps(values))
    with pytest.raises(UsageError, match="its counts say"):
        merge(source, tmp_path / "all")
