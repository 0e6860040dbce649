"""``--set``: what it changes, what it lists as a departure, and what it refuses."""

import pytest

from fairbench.errors import UsageError
from fairbench.launch.overrides import changed_track, parse_assignments
from fairbench.protocol.track import load_track


@pytest.fixture
def track():
    return load_track("digits")


def change(track, *pairs):
    return changed_track(track, parse_assignments(list(pairs)), place="--set")


@pytest.mark.parametrize("key", ["epochs", "schedule.epochs"])
def test_bare_and_dotted_keys_mean_the_same(track, key):
    changed, departures = change(track, f"{key}=1")
    assert changed.schedule.epochs == 1
    assert changed == track.model_copy(update={"schedule": track.schedule.model_copy(update={"epochs": 1})})
    assert departures == [f"schedule.epochs = 1 instead of {track.schedule.epochs}"]


def test_everything_that_departs_is_listed_in_order(track):
    changed, departures = change(
        track, "epsilon=0.1", "batch_size=32", "attack.steps=3", "selection.rule=last", "flip=true", "subset=100"
    )
    assert (changed.epsilon, changed.schedule.batch_size, changed.attack.steps) == (0.1, 32, 3)
    assert (changed.selection.rule, changed.augmentation.flip, changed.battery.subset) == ("last", True, 100)
    assert [line.split(" = ")[0] for line in departures] == [
        "attack.steps",
        "augmentation.flip",
        "battery.subset",
        "epsilon",
        "schedule.batch_size",
        "selection.rule",
    ]
    assert departures[3] == f"epsilon = 0.1 instead of {track.epsilon}"


@pytest.mark.parametrize("pair", ["learning_rate=0.01", "learning_rate=1e-2", "learning_rate=0.010", "epochs=4.0"])
def test_a_value_that_the_track_has_already_departs_from_nothing(track, pair):
    assert track.schedule.learning_rate == 0.01
    assert track.schedule.epochs == 4
    assert change(track, pair) == (track, [])


def test_a_whole_mapping_can_be_set(track):
    changed, departures = change(track, "milestones={0.9: 0.5}")
    assert changed.schedule.milestones == {0.9: 0.5}
    assert len(departures) == 1
    assert changed.schedule.learning_rate_factor(0.91) == 0.5


def test_a_bare_key_of_several_sections_means_the_first_one(track):
    changed, _ = change(track, "steps=2")
    assert changed.attack.steps == 2
    assert changed.selection.steps == track.selection.steps
    changed, _ = change(track, "selection.steps=2")
    assert changed.attack.steps == track.attack.steps


def test_the_track_itself_is_left_as_it_is(track):
    before = track.model_dump()
    change(track, "epochs=1", "milestones={}", "conditions=[clean]")
    assert track.model_dump() == before
    assert load_track("digits").model_dump() == before


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("epoch=1", "unknown key of --set 'epoch': did you mean .*epochs"),
        ("schedule.epoch=1", r"unknown key of --set 'schedule\.epoch': did you mean .*schedule\.epochs"),
        ("attack.epochs=1", r"unknown key of --set 'attack\.epochs'"),
        ("name=mine", "unknown key of --set 'name'"),
        ("bases=[]", "unknown key of --set 'bases'"),
        ("scratch_schedule.epochs=1", "unknown key of --set"),
        ("epsilon=2", "--set: epsilon = 2: .*less than 1"),
        ("epsilon=0", "--set: epsilon = 0: .*greater than 0"),
        ("epsilon=-0.1", "--set: epsilon = -0.1: "),
        ("epsilon=nan", "epsilon = .*nan"),
        ("epsilon=.inf", "epsilon = inf: "),
        ("epsilon=big", "--set: epsilon = 'big': .*number"),
        ("epochs=-1", r"schedule\.epochs = -1: .*greater than or equal to 0"),
        ("epochs=1.5", r"schedule\.epochs = 1\.5: .*integer"),
        ("epochs=[1]", r"schedule\.epochs = \[1\]: "),
        ("learning_rate=0", r"schedule\.learning_rate = 0: "),
        ("milestones={1.5: 0.1}", "milestone is a fraction in"),
        ("momentum=1", r"schedule\.momentum = 1: "),
        ("rule=best", r"selection\.rule = 'best': "),
        ("padding_mode=wrap", r"augmentation\.padding_mode = 'wrap': "),
        ("conditions=[clean, pgd21]", "pgd21"),
        ("epochs=[", r"--set epochs=\[.*cannot"),
        ("epochs={a", r"--set epochs=\{a.*cannot"),
    ],
)
def test_unknown_keys_and_values_out_of_range_are_named(track, pair, message):
    with pytest.raises(UsageError, match=message) as error:
        change(track, pair)
    assert error.value.exit_code == 2


@pytest.mark.parametrize("pair", ["epochs", "=1", "epochs=", " = ", ""])
def test_what_is_no_assignment_is_refused(pair):
    with pytest.raises(UsageError, match="the form is key=value"):
        parse_assignments([pair])


def test_blanks_are_forgiven_and_repetitions_are_not(track):
    assert parse_assignments([" epochs = 1 ", "padding_mode=zero"]) == {"epochs": "1", "padding_mode": "zero"}
    with pytest.raises(UsageError, match="names 'epochs' twice"):
        parse_assignments(["epochs=1", "epochs=2"])
    with pytest.raises(UsageError, match=r"names 'schedule\.epochs' twice"):
        change(track, "epochs=1", "schedule.epochs=2")
