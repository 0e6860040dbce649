"""Teachers on the command line: who is found, what is refused, and that a cell is named after who taught."""

import json

import pytest

from fairbench.data import load_dataset
from fairbench.errors import UsageError
from fairbench.launch.cells import Request, resolve
from fairbench.launch.run import train_cell
from fairbench.launch.teachers import parse_teachers
from fairbench.models import create_model, save_weights
from fairbench.protocol.track import load_track

QUICK = {"epochs": "1", "steps_per_epoch": "2", "attack.steps": "1", "selection.steps": "1"}


@pytest.fixture
def cells(tmp_path):
    def find(methods, *teachers, track="digits", **changes):
        request = {"seeds": [0], "out": tmp_path / "runs", "overrides": QUICK} | changes
        return resolve(Request(methods=methods.split(), tracks=[track], teachers=parse_teachers(teachers), **request))

    return find


@pytest.fixture
def file(tmp_path):
    """A checkpoint of random weights."""

    def write(name="clean.safetensors", *, architecture="cnn_tiny", seed=3):
        save_weights(create_model(architecture, image_shape=(1, 8, 8), seed=seed), tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("texts", "given"),
    [
        ([], {}),
        (["trades"], {"robust": "trades"}),
        (["robust=trades", "clean=a.pt"], {"robust": "trades", "clean": "a.pt"}),
        (["runs/absld-rate=0.1/model.safetensors"], {"robust": "runs/absld-rate=0.1/model.safetensors"}),
        (["clean=prn18:runs/a=b.pt"], {"clean": "prn18:runs/a=b.pt"}),
    ],
)
def test_roles_are_read(texts, given):
    assert parse_teachers(texts) == given


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["clear=a.pt"], "unknown teacher role 'clear': did you mean clean"),
        (["trades", "robust=pgd_at"], "names the robust teacher twice: 'trades' and 'pgd_at'"),
        (["clean="], "cannot read --teacher 'clean='"),
        ([""], "cannot read --teacher ''"),
    ],
)
def test_what_cannot_be_read_is_refused(texts, words):
    with pytest.raises(UsageError, match=words):
        parse_teachers(texts)


def test_a_track_brings_its_own_teacher(cells):
    (cell,) = cells("rslad")
    assert [(teacher.role, teacher.name) for teacher in cell.teachers] == [("robust", "trades")]
    assert cell.config["teacher"] == f"trades (cnn_tiny, {cell.teachers[0].sha256[:12]})"
    assert cell.config["teacher_sha256"] == {"robust": cell.teachers[0].sha256}


def test_a_method_without_need_has_none(cells):
    (cell,) = cells("pgd_at")
    assert cell.teachers == ()
    assert "teacher" not in cell.config
    assert "teachers" not in cell.config["track"]


def test_who_taught_names_the_folder(cells, file):
    other, again = file("a.safetensors", seed=1), file("b.safetensors", seed=1)
    found = [cells("rslad", *given)[0] for given in ((), ("trades",), ("pgd_at",), (str(other),), (str(again),))]
    folders = [cell.folder for cell in found]
    assert folders[0] == folders[1]
    assert len(set(folders)) == 4
    save_weights(create_model("cnn_tiny", image_shape=(1, 8, 8), seed=2), other)
    assert cells("rslad", str(other))[0].folder not in folders


def test_only_those_who_need_a_teacher_get_one(cells):
    taught, alone = cells("ard pgd_at", "pgd_at")
    assert [teacher.name for teacher in taught.teachers] == ["pgd_at"]
    assert alone.folder == cells("pgd_at")[0].folder


@pytest.mark.parametrize("track", ["digits", "fmnist"])
def test_both_roles_are_filled_on_the_tracks_that_ship_their_teachers(cells, track):
    (cell,) = cells("mtard", track=track)
    robust, clean = cell.teachers
    assert (robust.role, clean.role, clean.name) == ("robust", "clean", "natural")
    assert robust.name == {"digits": "trades", "fmnist": "robust_teacher"}[track]
    card = json.loads(clean.path.with_suffix(".json").read_text("utf-8"))
    assert (card["method"], card["selected_on"]) == ("natural", "last")
    with pytest.raises(UsageError, match="is neither a file nor a start"):
        cells("pgd_at", track=track, init=clean.name)


@pytest.mark.parametrize("method", ["mtard", "fair_mtard"])
def test_a_role_that_stays_empty_is_refused_with_its_cure(cells, method, monkeypatch):
    bare = load_track("digits").model_copy(update={"teachers": {"robust": "trades"}})
    monkeypatch.setattr("fairbench.launch.cells.load_track", lambda name: bare)
    with pytest.raises(
        UsageError, match=rf"{method} needs a clean teacher and track digits has none; .*natural --init"
    ):
        cells(method)


def test_a_track_without_a_teacher_asks_for_one(cells, monkeypatch):
    bare = load_track("digits").model_copy(update={"teachers": {}})
    monkeypatch.setattr("fairbench.launch.cells.load_track", lambda name: bare)
    with pytest.raises(UsageError, match=r"absld needs a robust teacher .* --teacher NAME, a base .*pgd_at, trades"):
        cells("absld")


@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        ("nobody", "nobody is neither a file nor a base of track digits"),
        ("prn18:nobody.pt", "neither a file nor a base"),
        ("clean=trades", "none of the methods needs a clean teacher; leave it out"),
    ],
)
def test_teachers_that_do_not_exist_or_are_not_asked_are_refused(cells, teacher, words):
    with pytest.raises(UsageError, match=words):
        cells("rslad", teacher)


def test_two_teachers_train_a_cell_and_the_record_of_it_names_them(cells, file):
    import torch

    clean = file("narrow.safetensors", architecture="cnn_small")
    (cell,) = cells("mtard", "pgd_at", f"clean=cnn_small:{clean}")
    train_cell(cell, load_dataset, torch.device("cpu"))
    config = json.loads((cell.folder / "config.json").read_text("utf-8"))
    assert config["teacher"].startswith("robust pgd_at (cnn_tiny, ")
    assert ", clean file:narrow (cnn_small, " in config["teacher"]
    assert (cell.folder / "model.safetensors").exists()


def test_a_file_of_another_network_says_how_to_name_it(cells, file):
    import torch

    (cell,) = cells("ard", str(file("wide.safetensors", architecture="cnn_small")))
    with pytest.raises(UsageError, match=r"robust teacher: .*for another network write ARCH:FILE"):
        train_cell(cell, load_dataset, torch.device("cpu"))
