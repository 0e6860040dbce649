"""Cells: folders that never meet by accident, starts, and configurations that survive JSON."""

import json
import re
import shutil
from pathlib import Path

import pytest

from fairbench.errors import UsageError
from fairbench.files import sha256_file
from fairbench.launch import bases
from fairbench.launch.bases import find_start
from fairbench.launch.cells import Request, resolve
from fairbench.protocol.track import load_track

BASES = Path(__file__).parents[2] / "checkpoints" / "bases"


def cells(*methods, tracks=("digits",), seeds=(0,), out="checkpoints", **changes):
    return resolve(Request(methods=list(methods), tracks=list(tracks), seeds=list(seeds), out=Path(out), **changes))


def cell(method, **changes):
    (only,) = cells(method, **changes)
    return only


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "Elsewhere Trained.safetensors"
    path.write_bytes(b"weights of somebody else")
    return path


def test_cells_come_track_by_track_then_method_then_seed():
    made = cells("faal", "pgd_at", tracks=("digits", "fmnist"), seeds=(3, 1), init="scratch")
    assert [(each.track.name, each.written, each.seed) for each in made] == [
        (track, method, seed) for track in ("digits", "fmnist") for method in ("faal", "pgd_at") for seed in (3, 1)
    ]


def test_seeds_share_a_folder_and_nothing_else_does(checkpoint):
    first, second = cells("faal", seeds=(0, 1))
    assert first.folder.parent == second.folder.parent
    assert (first.folder.name, second.folder.name) == ("seed0", "seed1")
    different = [
        cell("faal"),
        cell("faal?tau=0.3"),
        cell("faal@trades"),
        cell("faal+awp"),
        cell("faal?divergence=kl"),
        cell("cfa"),
        cell("cfa+ema"),
        cell("faal", init="scratch"),
        cell("faal", init="trades"),
        cell("faal", init=str(checkpoint)),
        cell("faal", overrides={"epochs": "1"}),
        cell("faal", overrides={"epsilon": "0.1"}),
        cell("faal", overrides={"battery.subset": "100"}),
        cell("faal", dataset="folder:/some/where"),
        cell("faal", dataset="folder:/some/WHERE"),
        cell("base:pgd_at"),
        cell("base:trades"),
    ]
    assert len({str(each.folder).lower() for each in different}) == len(different)
    assert len({each.config_sha256 for each in different}) == len(different)


def test_equal_weights_under_another_name_are_another_configuration_and_other_weights_are_too(checkpoint, tmp_path):
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / checkpoint.name
    other.write_bytes(b"weights of a third party")
    first, second = (cell("faal", init=str(path)) for path in (checkpoint, other))
    assert first.start.name == second.start.name
    assert first.folder.parent != second.folder.parent


@pytest.mark.parametrize(
    "same", [("faal", "faal@at"), ("faal?tau=0.5", "faal"), ("cfa+fawa", "cfa"), ("faal?tau=0.30", "faal?faal.tau=0.3")]
)
def test_one_configuration_has_one_folder_however_it_is_written(same):
    first, second = (cell(written) for written in same)
    assert first.folder == second.folder
    assert first.config == second.config


def test_the_order_of_overrides_does_not_matter():
    first = cell("faal", overrides={"epochs": "1", "epsilon": "0.1"})
    second = cell("faal", overrides={"epsilon": "0.1", "schedule.epochs": "1"})
    assert first.folder == second.folder


@pytest.mark.parametrize(
    ("written", "is_foreign"),
    [
        ("faal", False),
        ("faal", True),
        ("faal@trades+awp?tau=0.3&awp.gamma=0.01", True),
        ("cfa+ema", False),
        ("base:pgd_at", False),
    ],
)
def test_folder_names_are_safe(written, is_foreign, checkpoint):
    made = cell(written, init=str(checkpoint) if is_foreign else None, out="runs")
    assert re.fullmatch(r"runs/digits/[a-z0-9_.=+-]+-[0-9a-f]{8}/seed0", str(made.folder))
    assert ".." not in made.folder.parts


def test_the_longest_names_still_fit_a_file_system(tmp_path):
    path = tmp_path / ("x" * 200 + ".safetensors")
    path.write_bytes(b"weights")
    options = "divergence=kl&objective=sample_sum&attack_bn=train&tau=0.123456789&awp.gamma=0.0123456789"
    made = cell(
        f"faal@trades+awp+fawa?{options}&awp.start=0.123456789&fawa.start=0.123456789&beta=5.123456789", init=str(path)
    )
    assert len(made.folder.parent.name) <= 200
    (tmp_path / made.folder).mkdir(parents=True)


def test_a_configuration_survives_json():
    for made in cells(
        "cfa@trades+awp?awp.gamma=0.01", "base:trades", overrides={"milestones": "{0.25: 0.5, 0.5: 0.1}"}
    ):
        assert json.loads(json.dumps(made.config)) == made.config


def test_the_configuration_holds_what_was_resolved():
    made = cell("faal@trades+awp?tau=0.3", overrides={"epochs": "2"})
    config = made.config
    assert (config["method"], config["objective"], config["modifiers"]) == (
        "faal@trades+awp?tau=0.3",
        "trades",
        ["awp"],
    )
    assert config["options"]["faal"]["tau"] == 0.3
    assert config["options"]["awp"]["gamma"] == 0.005
    assert config["track"]["schedule"]["epochs"] == 2
    assert config["init"] == "pgd_at"
    assert config["init_sha256"] == sha256_file(BASES / "digits" / "pgd_at.safetensors")
    assert config["departures"] == ["schedule.epochs = 2 instead of 4"] == list(made.departures)


def test_conditions_that_are_asked_for_name_no_other_cell():
    whole, some, more = (
        cell("faal", overrides=overrides)
        for overrides in ({}, {"conditions": "[clean]"}, {"battery.conditions": "[clean, corruptions]"})
    )
    assert whole.folder == some.folder == more.folder
    assert whole.config == some.config == more.config
    assert whole.config["track"]["battery"]["conditions"] == load_track("digits").battery.conditions
    assert (some.conditions, more.conditions) == (("clean",), ("clean", "corruptions"))
    assert whole.departures == some.departures == more.departures == ()


def test_a_track_as_it_is_departs_from_nothing_and_another_data_set_does():
    assert cell("faal").departures == ()
    assert cell("faal", dataset="digits").departures == ()
    made = cell("faal", dataset="fmnist")
    assert made.departures == ("dataset = fmnist instead of digits",)
    assert made.track.dataset == "fmnist"
    assert cell("faal", init="scratch").departures == ()


def test_momentum_and_padding_of_a_method_hold_from_scratch_too_and_depart_from_nothing():
    for init in ("scratch", "pgd_at"):
        made = cell("dafa", init=init)
        assert (made.track.schedule.nesterov, made.departures) == (True, ())
        assert cell("dafa", init=init, overrides={"nesterov": "false"}).departures
    assert cell("dafa", init="scratch").track.schedule.epochs == 40
    assert cell("cfa", tracks=["cifar10-prn18"]).track.augmentation.padding_mode == "reflect"
    assert cell("faal", tracks=["cifar10-prn18"]).track.augmentation.padding_mode == "zero"


def test_methods_bring_their_own_schedule_on_a_fine_tuning_track_and_none_from_scratch():
    track = load_track("cifar10-prn18-ft")
    frl = cell("frl", tracks=["cifar10-prn18-ft"], init="scratch")
    assert frl.track.schedule == track.scratch_schedule or track.scratch_schedule is None
    digits = load_track("digits")
    assert cell("frl").track.schedule.epochs == 12 != digits.schedule.epochs
    assert cell("frl").departures == ()
    assert cell("frl", overrides={"epochs": "4"}).departures == ("schedule.epochs = 4 instead of 12",)
    assert cell("frl", init="scratch").track.schedule == digits.scratch_schedule
    assert cell("faal").track.schedule == digits.schedule


def test_a_base_is_evaluated_as_it_is_once_whatever_the_seeds():
    made = cells("base:pgd_at", seeds=(0, 1, 2))
    assert len(made) == 1
    assert made[0].composition is None
    assert made[0].start.name == "pgd_at"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"methods": ["base:faal"]}, "track digits has no base 'faal'; it has: pgd_at, trades"),
        ({"tracks": ["digit"]}, "unknown track 'digit': did you mean digits"),
        ({"methods": ["fall"]}, "unknown method 'fall'"),
        ({"methods": []}, "nothing to run"),
        ({"tracks": []}, "nothing to run"),
        ({"seeds": []}, "nothing to run"),
        (
            {"init": "nowhere.safetensors"},
            "'nowhere.safetensors' is neither a file nor a start of track digits: scratch, pgd_at",
        ),
        ({"init": "faal"}, "'faal' is neither a file nor a start"),
        ({"overrides": {"epoch": "1"}}, "unknown key of --set 'epoch'"),
    ],
)
def test_requests_that_make_no_sense_are_refused_before_any_work(request_, message):
    values = {"methods": ["faal"], "tracks": ["digits"], "seeds": [0], "out": Path("x")} | request_
    with pytest.raises(UsageError, match=message):
        resolve(Request(**values))


def test_a_foreign_file_may_have_seen_the_held_out_images_so_the_last_epoch_is_reported(checkpoint):
    made = cell("faal", init=str(checkpoint))
    assert made.start.is_foreign
    assert not made.start.is_scratch
    assert made.start.name == "file:Elsewhere Trained"
    assert made.start.sha256 == sha256_file(checkpoint)
    assert made.track.selection.rule == "last"
    assert cell("faal").track.selection.rule == "select"
    assert cell("faal", init="scratch").track.selection.rule == "select"


def test_a_shipped_base_is_not_foreign():
    start = find_start("trades", load_track("digits"))
    assert (start.name, start.is_foreign, start.is_scratch) == ("trades", False, False)
    assert start.card.sha256 == start.sha256
    scratch = find_start("scratch", load_track("digits"))
    assert (scratch.is_scratch, scratch.is_foreign) == (True, False)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Bases in a folder that may be damaged."""
    shutil.copytree(BASES / "digits", tmp_path / "digits")
    monkeypatch.setattr(bases.resources, "files", lambda _: tmp_path)
    return tmp_path / "digits"


def test_a_base_that_is_not_that_of_its_card_is_refused(shipped):
    (shipped / "pgd_at.safetensors").write_bytes(b"other weights")
    with pytest.raises(
        UsageError, match=r"pgd_at\.safetensors is not the file of its card .*install the package again"
    ):
        find_start("pgd_at", load_track("digits"))


@pytest.mark.parametrize("text", ["{", "[]", '{"track": "digits"}', '{"strange": 1}'])
def test_a_damaged_card_is_refused(shipped, text):
    (shipped / "pgd_at.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"pgd_at\.json"):
        find_start("pgd_at", load_track("digits"))


def test_a_base_that_does_not_ship_says_how_to_train_it(shipped):
    (shipped / "trades.safetensors").unlink()
    with pytest.raises(UsageError, match=r"does not ship .*--train-bases"):
        find_start("trades", load_track("digits"))
