"""Bases and teachers that do not ship: found in the folder of fairbench, or said how to get."""

import pytest

from fairbench.errors import UsageError
from fairbench.launch.bases import find_start, is_shipped
from fairbench.launch.cells import Request, resolve
from fairbench.launch.teachers import Teacher, find_teachers, load_teacher
from fairbench.models import NORMALISATIONS, create_model
from fairbench.protocol.track import load_track

WIDE, DISTILL = "cifar10-wrn34-ft", "cifar10-mnv2-distill"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRBENCH_HOME", str(tmp_path))
    return tmp_path


def bring(path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    return path


@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".pth"])
def test_a_base_that_was_brought_is_found_and_taken_as_published(home, ending):
    track = load_track(WIDE)
    assert not is_shipped("trades+awp", track)
    path = bring(home / "bases" / WIDE / f"trades+awp{ending}")
    start = find_start("trades+awp", track)
    assert (start.path, start.normalisation) == (path, NORMALISATIONS["none"])
    # Nobody knows which images a published checkpoint has seen, so the last epoch is reported.
    assert start.is_foreign
    assert is_shipped("trades+awp", track)
    (cell,) = resolve(Request(methods=["faal"], tracks=[WIDE], seeds=[0], out=home, init="trades+awp"))
    assert cell.track.selection.rule == "last"


def test_a_missing_base_says_where_it_is_published_and_what_trains_it(home):
    words = r"base trades .*model_cifar_wrn\.pt .*bases/cifar10-wrn34-ft/trades\.safetensors.*--train-bases"
    with pytest.raises(UsageError, match=words):
        find_start("trades", load_track(WIDE))
    with pytest.raises(UsageError, match=r"base pgd_at of track cifar10-prn18-ft does not ship .*--init FILE"):
        find_start("pgd_at", load_track("cifar10-prn18-ft"))


def test_the_teacher_of_a_track_is_found_by_its_name(home):
    track = load_track(DISTILL)
    words = r"teacher trades-wrn34_10 .*get model_cifar_wrn\.pt .*teachers/trades-wrn34_10\.pt .*`fairbench run --track"
    with pytest.raises(UsageError, match=words):
        find_teachers("rslad", ["teacher"], {}, track)
    path = bring(home / "teachers" / "trades-wrn34_10.pt")
    (teacher,) = find_teachers("rslad", ["teacher"], {}, track)
    assert (teacher.path, teacher.architecture, teacher.name) == (path, "wrn34_10", "trades-wrn34_10")
    assert teacher.normalisation == NORMALISATIONS["none"]


@pytest.mark.parametrize(
    ("written", "architecture", "normalisation"),
    [
        ("{}", "wrn34_10", NORMALISATIONS["none"]),
        ("wrn34_10:{}", "wrn34_10", NORMALISATIONS["none"]),
        ("prn18:{}", "prn18", None),
    ],
)
def test_a_file_is_taken_for_a_teacher_like_the_tracks_own(home, written, architecture, normalisation):
    path = bring(home / "elsewhere" / "x.pt")
    (teacher,) = find_teachers("rslad", ["teacher"], {"robust": written.format(path)}, load_track(DISTILL))
    assert (teacher.architecture, teacher.normalisation) == (architecture, normalisation)


def test_a_published_teacher_is_normalised_as_published(tmp_path):
    import torch

    state = create_model("cnn_small").state_dict()
    torch.save({name: tensor for name, tensor in state.items() if name not in {"mu", "sd"}}, tmp_path / "x.pt")
    asked = {"role": "robust", "name": "x", "architecture": "cnn_small", "path": tmp_path / "x.pt", "sha256": ""}
    for normalisation, mean in ((NORMALISATIONS["none"], 0.0), (None, 0.5)):
        network = create_model("cnn_small", mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
        load_teacher(network, Teacher(**asked, normalisation=normalisation))
        assert network.mu.flatten().tolist() == [mean] * 3
