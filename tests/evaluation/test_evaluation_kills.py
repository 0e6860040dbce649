"""Twenty kills at random moments, AutoAttack included, and the result of an evaluation that was never killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fairbench.evaluation.journal import JOURNAL_NAME
from fairbench.evaluation.predictions import PREDICTIONS_NAME

KILLS = 20
LONGEST = 3.0
"""seconds that a process lives after it has begun to compute."""

SCRIPT = """
import sys
import numpy as np, torch
from sklearn.datasets import load_digits
from torch import nn
import fairbench.evaluation.evaluator as evaluator
from fairbench.data import Split

torch.set_num_threads(1)
bunch = load_digits()
images = torch.from_numpy((bunch.images[:240, None] * 15.9375).astype(np.uint8))
labels = torch.from_numpy(bunch.target[:240])
# The nearest class mean, as a linear layer.
means = torch.stack([images[labels == label].flatten(1).div(255).mean(dim=0) for label in range(10)])
layer = nn.Linear(64, 10)
layer.weight.data, layer.bias.data = means, -means.square().sum(dim=1) / 2
network = nn.Sequential(nn.Flatten(), layer).eval()
evaluator.choose_micro_batch = lambda *_: 8
print("begun", flush=True)
result = evaluator.evaluate(
    network, Split(images, labels), ["clean", "fgsm", "pgd20", "cw20", "aa", "square"],
    eps=0.02, batch_size=8, subset=24, square_queries=30, num_classes=10, out=sys.argv[1],
)
print({name: (record.confusion, record.checks) for name, record in result.conditions.items()}, flush=True)
"""


def started(script: Path, folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, str(script), str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def finished(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return output


def entries(folder: Path) -> list[dict]:
    found = [json.loads(line)["entry"] for line in (folder / JOURNAL_NAME).read_text().splitlines()]
    for entry in found:
        entry.pop("seconds", None)
    return found


@pytest.mark.prove
def test_twenty_kills_at_random_moments_change_nothing(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    expected = finished(started(script, whole))
    moments, kills = random.Random(0), 0
    while kills < KILLS:
        process = started(script, killed)
        time.sleep(moments.uniform(0, LONGEST))
        if process.poll() is not None:
            # It came to its end before its time: from the beginning, for the kills that are left.
            assert finished(process) == expected
            (killed / JOURNAL_NAME).unlink()
            continue
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
    assert finished(started(script, killed)) == expected
    assert (killed / PREDICTIONS_NAME).read_bytes() == (whole / PREDICTIONS_NAME).read_bytes()
    assert entries(killed) == entries(whole)
