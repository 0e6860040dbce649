"""Grids of real cells: shared bases first, failures alone, side by side the same as in turn."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from grids import QUICK, contents, hide_bases, quick_cells

from fairbench.errors import UsageError, WorkError
from fairbench.files import sha256_file
from fairbench.launch import grid
from fairbench.launch.failures import command_for, read_failure
from fairbench.launch.grid import (
    Surroundings,
    jobs_of,
    payload_of,
    places_for,
    run_in_turn,
    run_side_by_side,
    work_on_cell,
)
from fairbench.launch.tasks import Place, Watcher
from fairbench.launch.worker import Context
from fairbench.progress import Silent
from fairbench.training.interruption import StoppedError

CPU = torch.device("cpu")
NOWHERE = Surroundings()


def in_turn(cells):
    return run_in_turn(jobs_of(cells), CPU, NOWHERE, Silent())


def side_by_side(cells, *, places=2):
    return run_side_by_side(jobs_of(cells), [Place(threads=1)] * places, NOWHERE, Watcher())


def in_one_worker(cells):
    return side_by_side(cells, places=1)


@pytest.fixture
def nothing_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_bases(monkeypatch)


def test_side_by_side_gives_the_same_bytes_as_in_turn(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    methods = ("trades", "faal")
    assert not in_turn(quick_cells(one, *methods)).failures
    assert not side_by_side(quick_cells(other, *methods)).failures
    assert len(contents(one)) == 4 * len(methods)
    assert contents(one) == contents(other)


def test_what_is_done_is_not_done_again(tmp_path):
    cells = quick_cells(tmp_path, "pgd_at", "trades")
    in_turn(cells)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*/seed*/*")}
    assert set(in_turn(cells).results) == set(side_by_side(cells).results) == {str(cell.folder) for cell in cells}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*/seed*/*")} == before


@pytest.mark.parametrize("run", [in_turn, in_one_worker])
def test_a_failing_cell_is_written_down_and_the_others_go_on(tmp_path, run):
    cells = quick_cells(tmp_path, "pgd_at", "trades")
    broken = cells[0].folder
    broken.mkdir(parents=True)
    (broken / "config.json").write_text("{}")
    outcome = run(cells)
    assert set(outcome.results) == {str(cells[1].folder)}
    failure = read_failure(broken)
    assert failure is not None
    assert "was edited" in failure.message
    assert failure.command == command_for(cells[0].request)
    assert "--methods pgd_at" in failure.command
    (broken / "config.json").unlink()
    assert not in_turn(cells).failures
    assert read_failure(broken) is None


def test_a_single_cell_fails_as_it_always_did(tmp_path):
    (cell,) = quick_cells(tmp_path, "pgd_at")
    cell.folder.mkdir(parents=True)
    (cell.folder / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="was edited"):
        in_turn([cell])


def test_the_command_of_a_failure_asks_for_that_cell_alone(tmp_path):
    cells = quick_cells(tmp_path, "pgd_at", "faal?tau=0.3", seeds=(0, 1), init="scratch")
    command = command_for(cells[3].request, [Path("my plug.py")])
    assert command.startswith("fairbench run --methods 'faal?tau=0.3' --track digits --seeds 1 --out ")
    assert "--init scratch" in command
    assert command.endswith("--plugin 'my plug.py'")
    words = shlex.split(command)
    assert all(f"{key}={value}" in words for key, value in QUICK.items())


@pytest.mark.usefixtures("nothing_ships")
def test_a_base_that_does_not_ship_is_trained_once_and_waited_for(tmp_path):
    cells = quick_cells(tmp_path, "pgd_at", "faal", "base:trades", train_bases=True)
    jobs = jobs_of(cells)
    titles = [job.title for job in jobs]
    assert titles[0] == "digits: pgd_at, seed 0, trained for the others"
    assert sum(job.only_train for job in jobs) == 2
    assert not run_in_turn(jobs, CPU, NOWHERE, Silent()).failures
    record = json.loads((cells[1].folder / "record.json").read_text())
    assert record["init"] == "pgd_at"
    base = record["training"]["init_sha256"]
    shared = next(job.cell.folder for job in jobs if job.only_train and job.cell.written == "pgd_at")
    assert base == sha256_file(shared / "model.safetensors")
    assert not (shared / "record.json").exists()


def test_a_run_that_was_asked_to_stop_begins_no_other_cell(tmp_path, monkeypatch):
    begun = []

    def stop(job, *_, **__):
        begun.append(job)
        raise StoppedError(signal.SIGTERM, "stopped")

    monkeypatch.setattr(grid, "_work", stop)
    with pytest.raises(StoppedError) as error:
        in_turn(quick_cells(tmp_path, "pgd_at", "natural"))
    assert (len(begun), error.value.exit_code) == (1, 143)


def test_a_worker_that_would_make_another_cell_refuses(tmp_path, monkeypatch):
    """A base is missing where the cell is asked for and there where it is worked on: another configuration."""
    with monkeypatch.context() as patch:
        hide_bases(patch)
        job = jobs_of(quick_cells(tmp_path, "faal", train_bases=True))[-1]
    with pytest.raises(WorkError, match="its inputs changed"):
        work_on_cell(payload_of(job), Context(NOWHERE.as_json() | {"device": "cpu"}, Silent()))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("nothing_ships")
def test_a_base_that_does_not_ship_is_not_trained_unasked(tmp_path):
    with pytest.raises(UsageError, match="--train-bases"):
        quick_cells(tmp_path, "faal")


@pytest.mark.usefixtures("nothing_ships")
def test_a_teacher_that_does_not_ship_is_trained_too(tmp_path):
    (cell,) = quick_cells(tmp_path, "rslad", init="scratch", teachers={"robust": "trades"}, train_bases=True)
    assert [need.written for need in cell.needs] == ["trades"]
    assert not in_turn([cell]).failures


def test_a_cell_that_is_asked_for_is_evaluated_even_if_others_need_it(tmp_path, nothing_ships):
    base = quick_cells(tmp_path, "pgd_at", init="scratch")
    dependants = quick_cells(tmp_path, "faal", train_bases=True)
    assert [job.only_train for job in jobs_of([*base, *dependants])] == [False, False]
    assert [job.only_train for job in jobs_of([*dependants, *base])] == [False, False]


def test_places_share_out_the_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert places_for("auto", 3, None) == [Place(device="cpu", threads=2)] * 3
    assert places_for("cpu", None, None) == [Place(device="cpu", threads=None)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [place.device for place in places_for("auto", None, None)] == ["cuda:0", "cuda:1"]
    assert [place.device for place in places_for("auto", 3, None)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [place.device for place in places_for("cuda:1", 2, None)] == ["cuda:1", "cuda:1"]


def _command(out: Path) -> list[str]:
    settings = [word for key, value in (QUICK | {"epochs": "2"}).items() for word in ("--set", f"{key}={value}")]
    words = ["run", "--methods", "pgd_at,trades,faal", "--seeds", "0-3", "--jobs", "2", "--threads", "1"]
    return [sys.executable, "-m", "fairbench", *words, "--out", str(out), *settings]


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@pytest.mark.prove
def test_a_grid_whose_processes_are_killed_at_random_ends_the_same(tmp_path):
    """Twelve cells; twenty times a worker or the parent is killed, in as many grids as that takes."""
    serial = tmp_path / "serial"
    subprocess.run(_command(serial), check=True, capture_output=True)
    chance, kills, grids = random.Random(0), 0, 0
    while kills < 20:
        folder, grids = tmp_path / f"killed{grids}", grids + 1
        kills += _kills_until_done(folder, chance, most=20 - kills)
        assert contents(folder) == contents(serial)


def _kills_until_done(folder: Path, chance: random.Random, *, most: int) -> int:
    """Give the command again and again until it ends well, and kill one of its processes every few seconds."""
    kills = 0
    while True:
        parent = subprocess.Popen(_command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while parent.poll() is None and kills < most:
            time.sleep(chance.uniform(2.5, 5.0))
            victims = [*_children(parent.pid), parent.pid]
            victim = chance.choice(victims)
            if parent.poll() is None:
                kills += 1
                os.kill(victim, signal.SIGKILL)
            orphans = victims[:-1] if victim == parent.pid else [victim]
            deadline = time.monotonic() + 10
            while any(Path(f"/proc/{pid}/cmdline").exists() and _is_worker(pid) for pid in orphans):
                assert time.monotonic() < deadline, "a worker outlived its parent"
                time.sleep(0.05)
        if parent.wait() == 0:
            return kills


def _is_worker(pid: int) -> bool:
    try:
        return b"fairbench.launch.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
