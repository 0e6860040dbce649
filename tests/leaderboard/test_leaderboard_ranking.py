import numpy as np
import pytest
from synthetic import make_condition, make_record, make_values

from fairbench.leaderboard.ranking import rank, ranking_key
from fairbench.protocol.record import Record


def record_with(method, hits, *, seed=0, per_class=100, **changes):
    """A record whose AutoAttack hits so many images of each class; wrong answers name the next class."""
    hits = np.array(hits)
    confusion = np.diag(hits) + np.roll(np.diag(per_class - hits), 1, axis=1)
    values = make_values(method, seed=seed, classes=[f"c{i}" for i in range(len(hits))], last=None, **changes)
    if "aa" in values["conditions"]:
        values["conditions"]["aa"] = make_condition(confusion)
    return Record.model_validate(values)


def places(records):
    return {entry.record.method: entry.rank for entry in rank(records)}


def test_ranks_by_the_worst_class_then_by_the_average_and_lets_equals_share_a_rank():
    records = [
        record_with("average", [10, 90, 90]),
        record_with("fair", [30, 40, 40]),
        record_with("tied_low", [20, 50, 50]),
        record_with("tied_high", [20, 60, 50]),
        record_with("twin", [20, 50, 60]),
    ]
    assert places(records) == {"fair": 1, "tied_high": 2, "twin": 2, "tied_low": 4, "average": 5}
    assert [entry.record.method for entry in rank(records)] == ["fair", "tied_high", "twin", "tied_low", "average"]


def test_the_mean_over_seeds_of_each_seeds_worst_class_counts():
    # The class that is worst changes with the seed: class means over seeds would be 30 and put this method first.
    changing = [record_with("changing", [10, 50], seed=0), record_with("changing", [50, 10], seed=1)]
    steady = [record_with("steady", [20, 60], seed=0), record_with("steady", [20, 20], seed=1)]
    assert ranking_key(changing) == pytest.approx((0.10, 0.30))
    assert ranking_key(steady) == pytest.approx((0.20, 0.30))
    assert places([*changing, *steady]) == {"steady": 1, "changing": 2}


def test_from_fifty_classes_on_the_worst_tenth_ranks():
    low_single = [0] + [60] * 49
    low_tenth = [20] * 5 + [60] * 45
    assert places([record_with("single", low_single), record_with("tenth", low_tenth)]) == {"single": 1, "tenth": 2}
    few = places([record_with("single", low_single[:49]), record_with("tenth", low_tenth[:49])])
    assert few == {"tenth": 1, "single": 2}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"protocol": "modified", "departures": ["epochs = 1", "beta = 2"]},
            "departs from the track: epochs = 1; beta",
        ),
        ({"selected_on": "test"}, "chosen on the test set"),
        ({"selected_on": "unknown"}, "not known how the epoch was chosen"),
        ({"conditions": ("clean", "pgd20")}, "AutoAttack has not been run"),
    ],
)
def test_what_is_not_ranked_is_listed_last_with_its_reason(changes, reason):
    best = record_with("best", [90, 90], **changes)
    entries = rank([best, record_with("plain", [10, 10]), record_with("late", [5, 5], selected_on="last")])
    assert [(entry.record.method, entry.rank) for entry in entries] == [("plain", 1), ("late", 2), ("best", None)]
    assert reason in entries[-1].reason
    assert entries[0].reason == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"init": "trades"},
        {"epsilon": 0.1},
        {"track": "fmnist"},
        {"data": {"name": "digits", "fingerprint": "00" * 32, "classes": ["c0", "c1"], "image_shape": [1, 8, 8]}},
    ],
)
def test_only_like_is_compared_with_like(changes):
    assert places([record_with("one", [50, 50]), record_with("other", [10, 10], **changes)]) == {"one": 1, "other": 1}


@pytest.mark.parametrize("change", [{"protocol_version": 2}, {"norm": "l2"}])
def test_numbers_of_another_meaning_never_share_a_ranking(change):
    other = record_with("other", [10, 10]).model_copy(update=change)
    assert places([record_with("one", [50, 50]), other]) == {"one": 1, "other": 1}


def test_another_teacher_is_another_group():
    values = make_values("ard")
    taught = make_values("absld", training=values["training"] | {"config": {"teacher": "wrn34_10"}})
    entries = rank([Record.model_validate(values), Record.model_validate(taught)])
    assert [entry.rank for entry in entries] == [1, 1]
    assert {entry.group.teacher for entry in entries} == {"", "wrn34_10"}


def test_seeds_of_one_method_make_one_row_and_a_copied_run_counts_once():
    records = [make_record(seed=seed) for seed in (2, 0, 1)]
    (entry,) = rank([*records, make_record(seed=1)])
    assert [record.seed for record in entry.records] == [0, 1, 2]
    assert entry.rank == 1


def test_two_different_runs_of_one_seed_are_not_averaged_in_silence():
    (entry,) = rank([make_record(fairness=0.2), make_record(fairness=0.9)])
    assert entry.rank is None
    assert "two different runs claim the same seed" in entry.reason


def test_a_missing_attack_names_the_seeds_that_lack_it():
    (entry,) = rank([make_record(seed=0), make_record(seed=1, conditions=("clean",))])
    assert entry.reason == "AutoAttack has not been run for seed 1"


def test_other_settings_are_another_row():
    standard = make_record("faal")
    modified = make_record("faal", protocol="modified", departures=["epochs = 1"])
    assert [(entry.rank, len(entry.records)) for entry in rank([modified, standard])] == [(1, 1), (None, 1)]


def test_the_order_of_the_records_does_not_matter():
    records = [make_record(name, seed=seed) for name in ("pgd_at", "faal", "frl", "base:pgd_at") for seed in (0, 1)]
    assert rank(records) == rank(records[::-1])
