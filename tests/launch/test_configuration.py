"""The configuration in a cell's folder: what it was made for, or refused with everything left as it is."""

import json
from pathlib import Path

import pytest
import torch

from fairbench.errors import UsageError
from fairbench.launch.cells import Request, resolve
from fairbench.launch.run import data_loader, run_cell, train_cell

BATTERY = {"conditions": "[clean]", "epochs": "1", "steps_per_epoch": "1", "attack.steps": "1"}


@pytest.fixture
def made(tmp_path):
    """A cell that was trained already."""
    request = Request(methods=["natural"], tracks=["digits"], seeds=[0], out=tmp_path, overrides=BATTERY)
    (cell,) = resolve(request)
    train_cell(cell, data_loader(None), torch.device("cpu"))
    return cell


def content(folder: Path):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_says_what_was_run(made):
    config = json.loads((made.folder / "config.json").read_text("utf-8"))
    assert config == {**made.config, "seed": 0}
    assert (made.folder / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace('"epochs": 1', '"epochs": 2'), "was edited"),
        (lambda text: text.replace('"seed": 0', '"seed": 1'), "was edited"),
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda text: "", "is damaged"),
        (lambda text: "[]", "was edited"),
    ],
)
@pytest.mark.parametrize("work", [train_cell, run_cell])
def test_an_edited_or_damaged_configuration_is_refused_and_nothing_is_lost(made, damage, message, work):
    path = made.folder / "config.json"
    before_damage = path.read_text("utf-8")
    path.write_text(damage(before_damage), encoding="utf-8")
    assert path.read_text("utf-8") != before_damage
    before = content(made.folder)
    with pytest.raises(UsageError, match=rf"config\.json {message}.*--fresh, or choose another --out") as error:
        work(made, data_loader(None), torch.device("cpu"))
    assert error.value.exit_code == 2
    assert content(made.folder) == before


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    request = Request(methods=["natural"], tracks=["digits"], seeds=[0], out=tmp_path / "file", overrides=BATTERY)
    (cell,) = resolve(request)
    with pytest.raises(UsageError, match=r"cannot write .*choose another folder with --out"):
        train_cell(cell, data_loader(None), torch.device("cpu"))
    assert (tmp_path / "file").read_text("utf-8") == "in the way"


def test_what_is_trained_is_not_trained_again(made):
    before = {path: path.stat().st_mtime_ns for path in made.folder.rglob("*")}
    train_cell(made, data_loader(None), torch.device("cpu"))
    assert {path: path.stat().st_mtime_ns for path in made.folder.rglob("*")} == before
