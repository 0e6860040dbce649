"""Processes that are killed at random moments end, together, as one that was left alone."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from fairbench.launch.cells import Request, resolve
from fairbench.launch.run import data_loader, train_cell
from fairbench.training.state import previous_of

METHOD = "faal@trades+awp+ema"


def cell_of(out, epochs):
    request = Request(methods=[METHOD], tracks=["digits"], seeds=[0], out=Path(out), overrides={"epochs": str(epochs)})
    return resolve(request)[0]


def train(out, epochs, save_seconds):
    """Train with one thread; the folder."""
    torch.set_num_threads(1)
    cell = cell_of(out, epochs)
    train_cell(cell, data_loader(None), torch.device("cpu"), save_seconds=save_seconds)
    return cell.folder


def begin(out, epochs, save_seconds):
    """A process that trains; and the folder that it trains in."""
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    program += f"from {Path(__file__).stem} import train; train({str(out)!r}, {epochs}, {save_seconds})"
    return subprocess.Popen([sys.executable, "-c", program]), cell_of(out, epochs).folder


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
    process.wait()
    return was_at_work


def prove(tmp_path, *, kills, epochs, flips):
    chance = random.Random(5)
    whole = train(tmp_path / "whole", epochs, 600)
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
    assert train(tmp_path / "broken", epochs, 600) == broken
    assert weights(broken) == weights(whole)


def test_a_kill_at_a_random_moment_changes_no_bit(tmp_path):
    prove(tmp_path, kills=1, epochs=2, flips=1)


@pytest.mark.prove
def test_many_kills_at_random_moments_change_no_bit(tmp_path):
    prove(tmp_path, kills=20, epochs=20, flips=4)
