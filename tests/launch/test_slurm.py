"""The cluster's path, run whole by submitit's local executor."""

import time
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from grids import contents, hide_bases, quick_cells

from fairbench.errors import UsageError
from fairbench.launch import slurm
from fairbench.launch.failures import read_failure
from fairbench.launch.grid import Surroundings, jobs_of
from fairbench.launch.slurm import CellJob, ClusterOptions, _for_cluster, _waves, submit

# submitit leaves the controllers of its local jobs to themselves.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running", "ignore:.*Popen.__del__")

LOCAL = ClusterOptions(cluster="local", minutes=10)


def wait(ids, folder):
    """Until every job of this machine has its result."""
    deadline = time.monotonic() + 120
    while any(not (folder / f"{job}_0_result.pkl").exists() for job in ids.values()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_array_with_a_failure_runs_to_its_end_and_what_failed_is_submitted_again(tmp_path, monkeypatch):
    cells = quick_cells(tmp_path / "runs", "pgd_at", "trades")
    cells[0].folder.mkdir(parents=True)
    (cells[0].folder / "config.json").write_text("{}")
    ids = submit(jobs_of(cells), Surroundings(), LOCAL, tmp_path / "cluster", device="cpu")
    assert set(ids) == {str(cell.folder) for cell in cells}
    wait(ids, tmp_path / "cluster")
    assert (cells[1].folder / "record.json").exists()
    failure = read_failure(cells[0].folder)
    assert failure is not None
    assert "was edited" in failure.message
    array = Mock()
    array.submit_array.return_value = [SimpleNamespace(job_id="7")]
    monkeypatch.setattr(slurm, "_executor", lambda *_, **__: array)
    again = submit(jobs_of(cells), Surroundings(), LOCAL, tmp_path / "cluster", device="cpu")
    assert again == {str(cells[0].folder): "7"}
    assert read_failure(cells[0].folder) is None


@pytest.mark.prove
def test_a_cell_that_runs_out_of_time_is_queued_again_and_ends_the_same(tmp_path):
    longer = {"epochs": "40", "steps_per_epoch": "30", "steps": "10"}
    (whole,) = quick_cells(tmp_path / "whole", "trades", overrides=longer)
    (cut,) = quick_cells(tmp_path / "cut", "trades", overrides=longer)
    for cell, options in ((whole, LOCAL), (cut, ClusterOptions(cluster="local", minutes=10))):
        folder = tmp_path / f"cluster-{cell.request.out.name}"
        ids = submit(jobs_of([cell]), Surroundings(), options, folder, device="cpu")
        (job,) = ids.values()
        if cell is cut:
            import submitit

            log = cut.folder / "log.jsonl"
            while not (log.exists() and log.read_bytes().count(b"\n") >= 2):
                time.sleep(0.05)
            submitit.local.local.LocalJob(folder, job, process=submitit.local.local._PROCESSES.get(job))._interrupt()
        wait(ids, folder)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_a_checkpointed_job_is_the_same_job(tmp_path):
    job = CellJob(payload={"request": {}}, settings={}, waits_for=("folder",))
    assert job.checkpoint().function == job


def test_dependants_come_in_later_waves_and_name_what_they_wait_for(tmp_path, monkeypatch):
    hide_bases(monkeypatch)
    jobs = jobs_of(quick_cells(tmp_path, "pgd_at", "faal", "natural", init=None, train_bases=True))
    waves = [[job.cell.written for job in wave] for wave in _waves(jobs)]
    assert waves == [["pgd_at"], ["pgd_at", "faal", "natural"]]
    parameters = _for_cluster(ClusterOptions(additional={"qos": "low"}), after=["7_1", "7_0", "7_1"])
    assert parameters["slurm_additional_parameters"] == {"qos": "low", "dependency": "afterok:7_0:7_1"}


def test_a_dependant_fails_with_what_it_needs(tmp_path):
    (cell,) = quick_cells(tmp_path / "runs", "pgd_at")
    base = tmp_path / "runs" / "base"
    base.mkdir(parents=True)
    (base / "failure.json").write_text("{}")
    job = CellJob(
        payload={"request": cell.request.model_dump(mode="json"), "only_train": False, "folder": str(cell.folder)},
        settings=Surroundings().as_json() | {"device": "cpu", "threads": None},
        waits_for=(str(base),),
    )
    with pytest.raises(Exception, match="what it needs failed"):
        job()
    failure = read_failure(cell.folder)
    assert failure is not None
    assert str(base) in failure.message


@pytest.mark.parametrize(
    ("text", "minutes"), [("90", 90), ("12:00:00", 720), ("1-06:30:00", 1830), ("2-00:00", 2880), ("30:00", 30)]
)
def test_times_as_the_cluster_writes_them(text, minutes):
    assert ClusterOptions.parse([f"time={text}"]).minutes == minutes


def test_options_of_the_cluster():
    options = ClusterOptions.parse(["partition=gpu", "gpus=1", "cpus=8", "memory=32", "at_once=4", "account=lab"])
    assert options.parameters == {
        "slurm_partition": "gpu",
        "gpus_per_node": 1,
        "cpus_per_task": 8,
        "mem_gb": 32,
        "slurm_array_parallelism": 4,
    }
    assert options.additional == {"account": "lab"}


@pytest.mark.parametrize("pair", ["partition", "gpus=one", "gpus=0", "time=soon", "cluster=cloud", "=x"])
def test_options_that_cannot_be_read_are_refused(pair):
    with pytest.raises(UsageError, match="--slurm"):
        ClusterOptions.parse([pair])


def test_no_cluster_and_a_fresh_start_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    jobs = jobs_of(quick_cells(tmp_path / "runs", "pgd_at"))
    with pytest.raises(UsageError, match="--launcher local"):
        submit(jobs, Surroundings(), ClusterOptions(), tmp_path / "cluster", device="cpu")
    with pytest.raises(UsageError, match="--fresh cannot go"):
        submit(jobs, Surroundings(fresh=True), LOCAL, tmp_path / "cluster", device="cpu")
