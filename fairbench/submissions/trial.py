"""Try a method: two steps on synthetic images and on the digits, and everything that can be said after that."""

from __future__ import annotations

import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fairbench.compose import compose
from fairbench.data import Dataset, load_dataset
from fairbench.data.dataset import Arrays, RawDataset, make_dataset
from fairbench.errors import FairbenchError
from fairbench.files import sha256_file
from fairbench.launch.cells import Cell, Request, resolve
from fairbench.launch.run import train_cell
from fairbench.progress import Bar
from fairbench.protocol.verdict import Check
from fairbench.submissions.watched import Findings, Watched, watched

TRIALS: dict[str, str] = {
    "loads": "its names and options can be looked up",
    "runs": "training ends without an error",
    "shapes": "every seam gives what the next one takes, and perturbed images stay in their ball",
    "finite losses": "no loss, weight or sum is infinite or not a number",
    "test set": "training never asks for the test split: who does gets an error",
    "determinism": "the same seed gives the same weights",
    "state": "training that is stopped and resumed ends with the same weights",
    "speed": "seconds for a step, against PGD-AT",
}
SYNTHETIC, DIGITS = "synthetic", "digits"
_QUICK = {
    "epochs": "2",
    "steps_per_epoch": "1",
    "batch_size": "50",
    "attack.steps": "2",
    "selection.steps": "1",
    "conditions": "[clean]",
}
_TIMED = _QUICK | {"epochs": "1", "steps_per_epoch": "4", "attack.steps": "10"}
_SLOW = 20
"""times PGD-AT, from which on a method is worth a word"""
_CPU = torch.device("cpu")


class _StoppedError(Exception):
    """Training was stopped on purpose."""


class _StopAtSecondStep:
    """Progress that ends the training in its second step, as a kill would."""

    def __init__(self) -> None:
        self.steps = 0

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        """A bar that counts."""
        yield self

    def advance(self, amount: int = 1, *, note: str = "") -> None:
        """Stop at the second step."""
        self.steps += amount
        if self.steps >= 2:
            raise _StoppedError

    def say(self, line: str) -> None:
        """Nothing."""


def try_method(written: str, *, progress: Callable[[str], None] = lambda _: None) -> list[Check]:
    """Put a method through all trials on the CPU.

    Args:
        written: a written form; plug-ins are loaded already.
        progress: told what is being tried.

    Returns:
        One check for each of ``TRIALS``, in their order.
    """
    found: dict[str, Check] = {}
    try:
        compose(written, track=DIGITS)
        found["loads"] = _check("loads", "")
        with tempfile.TemporaryDirectory(prefix="fairbench-") as folder:
            for data in (SYNTHETIC, DIGITS):
                progress(f"two steps on {data}")
                found |= {check.name: check for check in _on(data, written, Path(folder) / data)}
                if any(check.outcome == "failed" for check in found.values()):
                    break
            else:
                progress("speed")
                found["speed"] = _speed(written, Path(folder) / "speed")
    except FairbenchError as error:
        name = "loads" if "loads" not in found else "runs"
        found[name] = _check(name, str(error))
    return [found.get(name, Check(name=name, outcome="skipped", detail="after a check that failed")) for name in TRIALS]


def _on(data: str, written: str, folder: Path) -> Iterator[Check]:
    """Train twice, and once with a stop, on one data set."""
    cell = _cell(written, folder / "first", data, _QUICK)
    watching = watched(cell.composition) if cell.composition else None
    assert isinstance(watching, Watched)
    problem = _train(replace(cell, composition=watching))
    yield from _seam_checks(watching.findings, data, problem)
    if problem or watching.findings.problems:
        return
    weights = _weights(cell)
    again = _cell(written, folder / "again", data, _QUICK)
    problem = _train(again) or ("" if _weights(again) == weights else "the weights differ")
    yield _check("determinism", problem, data)
    if problem:
        return
    stopped = _cell(written, folder / "stopped", data, _QUICK)
    try:
        train_cell(stopped, _load, _CPU, progress=_StopAtSecondStep())
        problem = "training could not be stopped"
    except _StoppedError:
        problem = _train(stopped)
    differs = "resumed training ends with other weights; name all state in state_names"
    yield _check("state", problem or ("" if _weights(stopped) == weights else differs), data)


def _seam_checks(findings: Findings, data: str, problem: str) -> Iterator[Check]:
    asked_for_test = "test split" in problem
    explained = asked_for_test or bool(findings.problems)
    if not (problem and explained):
        yield _check("runs", problem, data)
    if problem and not explained:
        return
    yield _check("test set", problem if asked_for_test else "", data)
    for kind in ("shapes", "finite losses"):
        yield _check(kind, findings.problems.get(kind, ""), data)


def _speed(written: str, folder: Path) -> Check:
    seconds = {}
    for name in ("pgd_at", written):
        best = float("inf")
        for turn in range(2):
            cell = _cell(name, folder / f"{name == written}{turn}", DIGITS, _TIMED)
            begun = time.perf_counter()
            problem = _train(cell)
            if problem:
                return _check("speed", problem)
            best = min(best, time.perf_counter() - begun)
        seconds[name] = best
    ratio = seconds[written] / seconds["pgd_at"]
    note = "; a step should not wait for the device" if ratio > _SLOW else ""
    return Check(name="speed", outcome="passed", detail=f"{ratio:.1f} times PGD-AT on a short run{note}")


def _train(cell: Cell) -> str:
    """Train a cell; what went wrong, in words."""
    try:
        train_cell(cell, _load, _CPU)
    except FairbenchError as error:
        return str(error)
    except Exception as error:  # the method's own code can fail in any way
        return f"{type(error).__name__}: {error} ({_place(error)})"
    return ""


def _place(error: Exception) -> str:
    """The innermost line of the method's own code that an error passed through, as in ``prepare, mine.py:12``."""
    others = (str(Path(__file__).parents[1]), str(Path(torch.__file__ or "").parent))
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((one for one in reversed(frames) if not one.filename.startswith(others)), frames[-1])
    return f"{frame.name}, {Path(frame.filename).name}:{frame.lineno}"


def _cell(written: str, out: Path, data: str, settings: dict[str, str]) -> Cell:
    request = Request(
        methods=[written],
        tracks=[DIGITS],
        seeds=[0],
        out=out,
        overrides=settings,
        dataset=None if data == DIGITS else data,
    )
    return resolve(request)[0]


def _weights(cell: Cell) -> tuple[str, ...]:
    return tuple(sha256_file(cell.folder / f"{name}.safetensors") for name in ("model", "last"))


def _load(name: str) -> Dataset:
    return _synthetic() if name == SYNTHETIC else load_dataset(name)


def _synthetic() -> Dataset:
    """Ten classes of grey 8x8 images of noise around a mean of their own."""
    rng = np.random.default_rng(0)
    means = rng.uniform(60, 195, size=(10, 1, 8, 8))

    def some(per_class: int) -> Arrays:
        labels = np.repeat(np.arange(10), per_class)
        images = np.clip(means[labels] + rng.normal(0, 40, size=(len(labels), 1, 8, 8)), 0, 255)
        return Arrays(images.astype(np.uint8), labels.astype(np.int64))

    raw = RawDataset(tuple(f"class {index}" for index in range(10)), some(20), some(5))
    return make_dataset(SYNTHETIC, raw, place="memory")


def _check(name: str, problem: str, data: str = "") -> Check:
    """A check that failed with a problem, or passed without one."""
    where = f"{data}: " if data and problem else ""
    return Check(name=name, outcome="failed" if problem else "passed", detail=f"{where}{problem}")
