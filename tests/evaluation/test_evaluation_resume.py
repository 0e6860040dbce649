"""Kill it anywhere and call it again: the files end up the same, and nothing that was done is done twice."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import torch
from filelock import FileLock
from torch import nn

from fairbench.data import Split
from fairbench.errors import UsageError
from fairbench.evaluation.evaluator import evaluate
from fairbench.evaluation.journal import JOURNAL_NAME
from fairbench.evaluation.predictions import PREDICTIONS_NAME, read_predictions
from fairbench.progress import Silent

ATTACKS = ["clean", "pgd20"]
EPS = 0.1


class Killed(BaseException):
    pass


class KillAfter:
    """Progress that dies after so many batches, in the middle of the condition."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    @contextmanager
    def bar(self, title, total):
        yield self

    def advance(self, amount=1, *, note=""):
        self.left -= 1
        if self.left == 0:
            raise Killed

    def say(self, line):
        pass


class Counting(nn.Module):
    """A network that counts the images it is asked about."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.asked = 0

    def forward(self, x):
        self.asked += len(x)
        return self.network(x)


def contents(folder):
    """Answers and journal of a folder, without what the clock wrote."""
    journal = (folder / JOURNAL_NAME).read_text()
    assert journal.endswith("\n")
    lines = [json.loads(line)["entry"] for line in journal.splitlines()]
    for entry in lines:
        entry.pop("seconds", None)
    return (folder / PREDICTIONS_NAME).read_bytes(), lines


def run(network, digits, folder, **options):
    return evaluate(network, digits, ATTACKS, eps=EPS, batch_size=1, out=folder, **options)


@pytest.fixture(autouse=True)
def _several_batches(monkeypatch):
    monkeypatch.setattr("fairbench.evaluation.evaluator.choose_micro_batch", lambda *_: 64)


@pytest.fixture
def whole(network, digits, tmp_path):
    folder = tmp_path / "whole"
    run(network, digits, folder)
    return folder


def test_killed_after_each_batch(network, digits, whole, tmp_path):
    expected = contents(whole)
    batches = sum("batch_of" in entry for entry in expected[1])
    assert batches >= 6
    for count in range(1, batches):
        folder = tmp_path / f"after{count}"
        with pytest.raises(Killed):
            run(network, digits, folder, progress=KillAfter(count))
        run(network, digits, folder)
        assert contents(folder) == expected, count


def test_a_torn_last_line_is_ignored_at_every_byte(network, digits, whole, tmp_path):
    journal = (whole / JOURNAL_NAME).read_bytes()
    start = journal.rstrip(b"\n").rfind(b"\n") + 1
    expected = contents(whole)
    folder = tmp_path / "torn"
    folder.mkdir()
    offsets = [start, *range(start + 1, len(journal), 37), len(journal) - 1]
    for offset in offsets:
        (folder / JOURNAL_NAME).write_bytes(journal[:offset])
        run(network, digits, folder)
        assert contents(folder) == expected, offset


def test_a_finished_evaluation_is_not_run_again(network, digits, tmp_path):
    model = Counting(network)
    first = run(model, digits, tmp_path)
    model.asked = 0
    second = run(model, digits, tmp_path)
    assert second.seconds > 0
    assert model.asked <= 4
    assert second.conditions == first.conditions


def test_a_second_call_adds_conditions_and_keeps_the_others(network, digits, tmp_path):
    once = evaluate(network, digits, ["clean", "fgsm", "pgd20"], eps=EPS, out=tmp_path / "once")
    evaluate(network, digits, ["pgd20"], eps=EPS, out=tmp_path / "twice")
    result = evaluate(network, digits, ["clean", "fgsm"], eps=EPS, out=tmp_path / "twice")
    assert list(result.conditions) == list(once.conditions)
    files = [(tmp_path / name / PREDICTIONS_NAME).read_bytes() for name in ("once", "twice")]
    assert files[0] == files[1]


def test_another_batch_size_goes_on_from_finished_conditions_only(network, digits, whole, tmp_path):
    with pytest.raises(Killed):
        run(network, digits, tmp_path, progress=KillAfter(5))
    evaluate(network, digits, ATTACKS, eps=EPS, batch_size=360, out=tmp_path)
    assert (tmp_path / PREDICTIONS_NAME).read_bytes() == (whole / PREDICTIONS_NAME).read_bytes()


def other_weights(network, digits):
    with torch.no_grad():
        network[1].bias[0] += 1
    return {}, digits


def other_layers(network, digits):
    network[0][0][2] = nn.LeakyReLU(0.3)
    return {}, digits


def other_data(network, digits):
    return {}, Split(255 - digits.images, digits.labels)


def other_epsilon(network, digits):
    return {"eps": 0.2}, digits


def other_seed(network, digits):
    return {"seed": 1}, digits


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_weights, "weights_sha256 was"),
        (other_layers, "structure_sha256 was"),
        (other_data, "data_fingerprint was"),
        (other_epsilon, r"epsilon was 0\.1, now 0\.2"),
        (other_seed, "seed was 0, now 1"),
    ],
)
def test_a_journal_about_something_else_is_refused_and_kept(network, digits, whole, change, words):
    before = contents(whole)
    options, data = change(network, digits)
    call = {"attacks": ATTACKS, "eps": EPS, "batch_size": 1, "out": whole, **options}
    with pytest.raises(UsageError, match=words) as caught:
        evaluate(network, data, **call)
    assert "--fresh" in str(caught.value)
    assert contents(whole) == before
    renewed = evaluate(network, data, **call, fresh=True)
    written = read_predictions(whole).by_condition["pgd20"]
    assert (written == renewed.predictions["pgd20"]).all()


def test_fresh_leaves_nothing_of_before(network, digits, whole):
    with pytest.raises(Killed):
        run(network, digits, whole, fresh=True, progress=KillAfter(1))
    assert not (whole / PREDICTIONS_NAME).exists()
    assert (whole / JOURNAL_NAME).read_text().count("batch_of") == 1


def test_a_second_process_waits_for_the_first(network, digits, tmp_path):
    class Impatient(Silent):
        def say(self, line):
            raise Killed(line)

    with FileLock(tmp_path / ".evaluation.lock"), pytest.raises(Killed, match="waiting for another process"):
        run(network, digits, tmp_path, progress=Impatient())
    run(network, digits, tmp_path, progress=Impatient())


def test_damage_before_the_last_line_is_refused(network, digits, whole):
    journal = whole / JOURNAL_NAME
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"predicted":[', b'"predicted":[9,')
    journal.write_bytes(b"".join(lines))
    with pytest.raises(UsageError, match=r"damaged in line 3; .*--fresh"):
        run(network, digits, whole)


@pytest.mark.parametrize("content", [b"", b"not a journal\n", b"{}\n"])
def test_a_file_that_is_no_journal_is_refused(network, digits, tmp_path, content):
    (tmp_path / JOURNAL_NAME).write_bytes(content)
    with pytest.raises(UsageError, match="--fresh"):
        run(network, digits, tmp_path)
    assert (tmp_path / JOURNAL_NAME).read_bytes() == content


SLOW = """
import sys, time, torch
from torch import nn
import fairbench.evaluation.evaluator as evaluator
from fairbench.data import Split

class Slow(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network
    def forward(self, x):
        time.sleep(float(sys.argv[2]))
        return self.network(x)

torch.set_num_threads(1)
torch.manual_seed(0)
model = Slow(nn.Sequential(nn.Flatten(), nn.Linear(9, 3)))
images = torch.randint(0, 256, (1200, 1, 3, 3), dtype=torch.uint8)
evaluator.choose_micro_batch = lambda *_: 128
split = Split(images, torch.arange(1200) % 3)
evaluator.evaluate(model, split, ["clean", "pgd20"], eps=0.1, batch_size=1, out=sys.argv[1])
"""


def test_sigkill_in_another_process(tmp_path, monkeypatch):
    script = tmp_path / "slow.py"
    script.write_text(SLOW)

    def run_here(folder):
        monkeypatch.setattr(sys, "argv", ["slow.py", str(folder), "0"])
        runpy.run_path(str(script), run_name="__main__")

    killed, untouched = tmp_path / "killed", tmp_path / "untouched"
    process = subprocess.Popen([sys.executable, str(script), str(killed), "0.01"])
    journal = killed / JOURNAL_NAME
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"batch_of") >= 13):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert journal.read_bytes().count(b"batch_of") < 20
    run_here(killed)
    run_here(untouched)
    assert contents(killed) == contents(untouched)
