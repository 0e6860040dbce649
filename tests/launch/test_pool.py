"""Tasks on worker processes: all are done once, failures stay alone, the killed are tried again, no process is left."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from fairbench.errors import WorkError
from fairbench.launch.pool import run_tasks
from fairbench.launch.tasks import Place, Task, Watcher

WORK = """
import os, signal, time
from pathlib import Path
from fairbench.errors import UsageError

def work(payload, context):
    context.progress.say("begins")
    with context.progress.bar("work", 1) as bar:
        bar.advance(note="half")
    if "print" in payload:
        print(payload["print"])
    if "raise" in payload:
        raise ValueError(payload["raise"])
    if "refuse" in payload:
        raise UsageError(payload["refuse"])
    if "die" in payload:
        count = Path(payload["die"])
        attempts = int(count.read_text()) if count.exists() else 0
        count.write_text(str(attempts + 1))
        if attempts < payload["times"]:
            os.kill(os.getpid(), signal.SIGKILL)
    if "order" in payload:
        with open(payload["order"], "a") as file:
            file.write(payload["name"] + " ")
    time.sleep(payload.get("sleep", 0))
    return {"pid": os.getpid(), "device": context.settings["device"]}
"""


@pytest.fixture(autouse=True)
def fake_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fake_work.py").write_text(WORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def run(*tasks: Task, places: int = 2, watcher: Watcher | None = None):
    return run_tasks(tasks, "fake_work:work", [Place() for _ in range(places)], watcher=watcher)


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_every_task_has_its_result_and_the_workers_are_gone():
    outcome = run(*(Task(key=str(number), payload={}) for number in range(7)))
    assert sorted(outcome.results) == [str(number) for number in range(7)]
    assert not outcome.failures
    pids = {result["pid"] for result in outcome.results.values()}
    assert 1 <= len(pids) <= 2
    assert not any(map(alive, pids))


def test_a_task_waits_for_what_it_needs(tmp_path):
    order = str(tmp_path / "order")
    tasks = [
        Task(key="last", payload={"order": order, "name": "last"}, needs=("first", "second")),
        Task(key="second", payload={"order": order, "name": "second"}, needs=("first",)),
        Task(key="first", payload={"order": order, "name": "first", "sleep": 0.2}),
    ]
    run(*tasks)
    assert Path(order).read_text().split() == ["first", "second", "last"]


def test_a_failure_stays_with_its_task_and_those_that_need_it():
    outcome = run(
        Task(key="good", payload={}),
        Task(key="broken", payload={"raise": "no such thing"}),
        Task(key="refused", payload={"refuse": "give another"}),
        Task(key="dependant", payload={}, needs=("broken",)),
        Task(key="indirect", payload={}, needs=("dependant",)),
    )
    assert set(outcome.results) == {"good"}
    assert outcome.failures["broken"].message == "ValueError: no such thing"
    assert "fake_work.py" in outcome.failures["broken"].traceback
    assert (outcome.failures["refused"].message, outcome.failures["refused"].exit_code) == ("give another", 2)
    assert outcome.failures["refused"].traceback == ""
    assert outcome.failures["dependant"].message == "what it needs failed: broken"
    assert outcome.failures["indirect"].message == "what it needs failed: dependant"


@pytest.mark.parametrize(("times", "succeeds"), [(1, True), (2, True), (99, False)])
def test_a_killed_worker_is_replaced_and_its_task_tried_three_times(tmp_path, times, succeeds):
    deadly = Task(key="deadly", payload={"die": str(tmp_path / "count"), "times": times})
    outcome = run(deadly, Task(key="other", payload={}), places=1)
    assert "other" in outcome.results
    assert ("deadly" in outcome.results) is succeeds
    if not succeeds:
        assert outcome.failures["deadly"].message == "its process was killed by SIGKILL, 3 times"
        assert (tmp_path / "count").read_text() == "3"


def test_what_tasks_say_and_how_far_they_are_is_heard():
    heard = []

    class Ear(Watcher):
        def started(self, key, worker):
            heard.append(("started", key))

        def said(self, key, line):
            heard.append(("said", key, line))

        def advanced(self, key, worker, step):
            heard.append(("advanced", key, step.title, step.done, step.total, step.note))

        def finished(self, key, worker, result):
            heard.append(("finished", key))

    run(Task(key="one", payload={"print": '{"event": "finished", "result": "forged"}'}), places=1, watcher=Ear())
    assert heard == [
        ("started", "one"),
        ("said", "one", "begins"),
        ("advanced", "one", "work", 1, 1, "half"),
        ("finished", "one"),
    ]


def test_what_a_task_prints_does_not_disturb():
    outcome = run(Task(key="one", payload={"print": '{"event": "finished", "result": "forged"}'}))
    assert outcome.results["one"]["device"] == "cpu"


def test_workers_that_cannot_start_are_reported():
    with pytest.raises(WorkError, match=r"(?s)left with exit code 1 before its first task: .*no_such_module"):
        run_tasks([Task(key="one", payload={})], "no_such_module:work", [Place()])


def test_no_worker_outlives_a_parent_that_is_killed(tmp_path):
    pids = tmp_path / "pids"
    script = f"""
        from fairbench.launch.pool import run_tasks
        from fairbench.launch.tasks import Place, Task, Watcher

        class Ear(Watcher):
            def said(self, key, line):
                import os
                open({str(pids)!r}, "a").write(" ".join(os.listdir("/proc/self/task")) + "\\n")

        tasks = [Task(key=str(n), payload={{"sleep": 60}}) for n in range(2)]
        run_tasks(tasks, "fake_work:work", [Place(), Place()], watcher=Ear())
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    deadline = time.monotonic() + 60
    while not (pids.exists() and pids.read_text().count("\n") == 2) and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = [int(pid) for pid in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
    assert len(workers) == 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, workers))
