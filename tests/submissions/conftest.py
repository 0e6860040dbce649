"""One tiny run on the digits, packed once; every test works on its own copy."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from bundle_tools import Bench

from fairbench.launch.cells import Request as RunRequest
from fairbench.launch.cells import resolve
from fairbench.launch.run import data_loader, run_cell
from fairbench.submissions.pack import pack

CPU = torch.device("cpu")
QUICK = {
    "epochs": "1",
    "steps_per_epoch": "2",
    "attack.steps": "1",
    "selection.steps": "1",
    "conditions": "[clean, fgsm, pgd20]",
}


@pytest.fixture(scope="session")
def load_data():
    return data_loader(None)


@pytest.fixture(scope="session")
def quick_run(tmp_path_factory, load_data):
    """Train and evaluate a written form in no time; the folder of the run."""

    def run(written: str = "pgd_at", *, seed: int = 0, **changes: str) -> Path:
        out = tmp_path_factory.mktemp("runs")
        overrides = QUICK | changes
        (cell,) = resolve(RunRequest(methods=[written], tracks=["digits"], seeds=[seed], out=out, overrides=overrides))
        run_cell(cell, load_data, CPU)
        return cell.folder

    return run


@pytest.fixture(scope="session")
def run_folder(quick_run) -> Path:
    return quick_run()


@pytest.fixture(scope="session")
def bundle(run_folder, load_data, tmp_path_factory) -> Path:
    return pack(run_folder, tmp_path_factory.mktemp("bundle") / "honest.zip", load_data, device=CPU)


@pytest.fixture
def bench(load_data, bundle, tmp_path) -> Bench:
    return Bench(load_data, bundle, tmp_path)
