"""Processes that are killed at random moments end, together, as one that was left alone."""

import random
import subprocess
import sys
import time

import pytest

from fairbench.training.state import previous_of

METHOD = "faal@trades+awp+ema"
RUN = f"""
import sys
from pathlib import Path
import torch
from fairbench.launch.cells import Request, resolve
from fairbench.launch.run import data_loader, train_cell
torch.set_num_threads(1)
request = Request(
    methods=["{METHOD}"], tracks=["digits"], seeds=[0], out=Path(sys.argv[1]), overrides={{"epochs": sys.argv[2]}}
)
(cell,) = resolve(request)
print(cell.folder, flush=True)
train_cell(cell, data_loader(None), torch.device("cpu"), save_seconds=float(sys.argv[3]))
"""


def begin(out, epochs, save_seconds):
    """A process that trains; and the folder that it trains in."""
    command = [sys.executable, "-c", RUN, str(out), str(epochs), str(save_seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, type(out)(process.stdout.readline().strip())


def weights(folder):
    return [(folder / name).read_bytes() for name in ("model.safetensors", "last.safetensors")]


def flip_a_byte(path, chance):
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def killed(process, folder, delay):
    """Kill the process a moment after it saved its first state; whether it was still at work."""
    state = folder / "resume.pt"
    before = state.stat().st_mtime_ns if state.exists() else 0
    while process.poll() is None:
        if state.exists() and state.stat().st_mtime_ns != before:
            time.sleep(delay)
            break
        time.sleep(0.005)
    was_at_work = process.poll() is None
    process.kill()
    process.communicate()
    return was_at_work


def prove(tmp_path, *, kills, epochs, flips):
    chance = random.Random(5)
    process, whole = begin(tmp_path / "whole", epochs, 600)
    assert process.wait() == 0
    process.stdout.close()
    done = 0
    for number in range(3 * kills):
        process, broken = begin(tmp_path / "broken", epochs, 0.02)
        done += killed(process, broken, chance.uniform(0, 0.3))
        state = broken / "resume.pt"
        # A kill may come between the two renames of a save, when the state before is all there is.
        if number < flips and state.exists() and previous_of(state).exists():
            flip_a_byte(state, chance)
        if done == kills:
            break
    assert done == kills
    process, broken = begin(tmp_path / "broken", epochs, 600)
    assert process.wait() == 0
    process.stdout.close()
    assert weights(broken) == weights(whole)


def test_a_kill_at_a_random_moment_changes_no_bit(tmp_path):
    prove(tmp_path, kills=1, epochs=2, flips=1)


@pytest.mark.prove
def test_many_kills_at_random_moments_change_no_bit(tmp_path):
    prove(tmp_path, kills=20, epochs=20, flips=4)
