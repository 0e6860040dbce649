"""Every track loads, makes sense, and says where what it names can be had."""

import pytest
import torch

from fairbench.compose import compose, track_defaults
from fairbench.data import dataset_names
from fairbench.errors import UsageError
from fairbench.launch.bases import is_shipped
from fairbench.launch.cells import Request, resolve
from fairbench.models import create_model, model_names
from fairbench.protocol.track import Schedule, load_track, track_names

OF_PAPERS = {
    "cifar10-prn18-ft",
    "cifar10-prn18",
    "cifar10-wrn34-ft",
    "cifar10-rn18-distill",
    "cifar10-mnv2-distill",
    "cifar100-rn18",
    "cifar100-rn18-distill",
    "cifar100-mnv2-distill",
    "cifar100-prn18",
    "cifar10_jpeg-prn18-ft",
    "cifar10_jpeg-prn18",
}


def test_all_tables_of_the_papers_have_a_track():
    assert set(track_names()) >= OF_PAPERS


@pytest.mark.parametrize("name", track_names())
def test_a_track_names_only_what_exists(name):
    track = load_track(name)
    assert track.dataset in dataset_names()
    assert track.architecture in model_names()
    assert track.init in ("scratch", *track.bases)
    assert all(name in track.sources or is_shipped(name, track) for name in track.teachers.values())
    assert {source.architecture for source in track.sources.values()} <= {None, *model_names()}
    for base in track.bases:
        assert not track.trains_base(base) or compose(base, track=name).written == base


@pytest.mark.parametrize("name", sorted(OF_PAPERS))
def test_a_track_of_a_paper_has_the_papers_setting(name):
    track = load_track(name)
    assert track.epsilon == pytest.approx(8 / 255)
    assert (track.attack.steps, track.attack.step_fraction) == (10, 0.25)
    assert (track.augmentation.crop_padding, track.augmentation.flip) == (4, True)
    assert {"clean", "pgd20", "aa"} <= set(track.battery.conditions)
    with torch.device("meta"):
        network = create_model(track.architecture, num_classes=100 if "100" in name else 10)
        assert network(torch.rand(1, 3, 32, 32)).shape[0] == 1


@pytest.mark.parametrize(
    ("track", "milestones"),
    [
        ("cifar10-prn18", {99: 1, 100: 0.1, 149: 0.1, 150: 0.01}),
        ("cifar100-prn18", {99: 1, 100: 0.1, 149: 0.1, 150: 0.01}),
        ("cifar10-rn18-distill", {214: 1, 215: 0.1, 259: 0.1, 260: 0.01, 284: 0.01, 285: 0.001}),
        ("cifar100-mnv2-distill", {214: 1, 215: 0.1, 259: 0.1, 260: 0.01, 284: 0.01, 285: 0.001}),
        ("cifar10-wrn34-ft", {0: 1, 1: 0.1}),
    ],
)
def test_the_learning_rate_falls_where_the_papers_say(track, milestones):
    schedule = load_track(track).schedule
    factors = {epoch: schedule.learning_rate_factor(epoch / schedule.epochs) for epoch in milestones}
    assert factors == pytest.approx(milestones)


def test_twins_differ_in_their_data_alone():
    for name in ("cifar10-prn18", "cifar10-prn18-ft"):
        own, twin = load_track(name).model_dump(), load_track(name.replace("cifar10", "cifar10_jpeg")).model_dump()
        assert {key for key in own if own[key] != twin[key]} == {"name", "title", "summary", "dataset"}


@pytest.mark.parametrize(
    ("written", "epochs", "weight_decay", "milestones"),
    [
        ("absld", 300, 2e-4, {215: 0.1, 260: 0.01, 285: 0.001}),
        ("pgd_at", 200, 5e-4, {100: 0.1, 150: 0.01}),
        ("cfa@trades", 200, 5e-4, {100: 0.1, 150: 0.01}),
        ("adaad", 200, 5e-4, {100: 0.1, 150: 0.01}),
        ("trades", 100, 2e-4, {75: 0.1, 90: 0.01}),
        ("natural", 100, 2e-4, {75: 0.1, 90: 0.01}),
        ("bat", 200, 2e-4, {74: 0.1, 89: 0.01, 99: 0.001}),
        ("fair_ard", 200, 2e-4, {100: 0.1}),
        ("fair_rslad", 300, 2e-4, {215: 0.1, 260: 0.01, 285: 0.001}),
    ],
)
def test_baselines_of_the_distillation_tables_keep_their_own_schedules(written, epochs, weight_decay, milestones):
    track = load_track("cifar10-rn18-distill")
    own = track_defaults(compose(written, track=track.name).entry, track.name, "schedule")
    schedule = Schedule.model_validate(track.schedule.model_dump() | own)
    assert (schedule.epochs, schedule.weight_decay) == (epochs, weight_decay)
    reached = {round(fraction * epochs): factor for fraction, factor in schedule.milestones.items()}
    assert reached == pytest.approx(milestones)


def test_a_base_that_no_method_trains_has_to_be_brought(monkeypatch, tmp_path):
    monkeypatch.setenv("FAIRBENCH_HOME", str(tmp_path))
    request = Request(methods=["faal"], tracks=["cifar10_jpeg-prn18-cpu"], seeds=[0], out=tmp_path, train_bases=True)
    with pytest.raises(UsageError, match=r"base n-fgsm .* N-FGSM .*put a file at .*n-fgsm.safetensors") as error:
        resolve(request)
    assert "--train-bases" not in str(error.value)


def test_frl_costs_no_more_than_the_others_where_a_processor_trains():
    own = track_defaults(compose("frl", track="cifar10_jpeg-prn18-cpu").entry, "cifar10_jpeg-prn18-cpu", "schedule")
    track = load_track("cifar10_jpeg-prn18-cpu")
    schedule = Schedule.model_validate(track.schedule.model_dump() | own)
    assert (schedule.epochs, schedule.learning_rate) == (track.schedule.epochs, track.schedule.learning_rate)
