import numpy as np
import pytest
from synthetic import make_condition, make_record, make_values

from fairbench.leaderboard.extremes import bias_of_lowest, lowest_interval
from fairbench.leaderboard.intervals import wilson_interval
from fairbench.leaderboard.ranking import rank
from fairbench.leaderboard.summary import (
    class_summaries,
    condition_names,
    highest_false_positive_score,
    strongest_condition,
    summarise,
    why_missing,
    why_no_false_positive_score,
)
from fairbench.protocol.record import Record


def entry_of(*records):
    (entry,) = rank(records)
    return entry


def test_one_seed_gives_the_records_own_numbers():
    record = make_record()
    entry = entry_of(record)
    for name, condition in record.conditions.items():
        for metric in ("average", "balanced", "worst", "worst_tenth", "overall"):
            assert summarise(entry, name, metric).value == getattr(condition, metric)
        assert summarise(entry, name, "worst").classes == (record.data.classes[condition.worst_class],)
        accuracies = class_summaries(entry, name, "accuracy")
        counts = zip(condition.class_correct, condition.class_total, strict=True)
        assert [one.value for one in accuracies] == [correct / total for correct, total in counts]
        assert [one.value for one in class_summaries(entry, name, "c_fps")] == condition.class_false_positive_score
        assert highest_false_positive_score(entry, name).value == max(condition.class_false_positive_score)


def test_several_seeds_give_the_mean_of_their_values_and_of_their_intervals():
    records = [make_record(seed=seed) for seed in range(3)]
    entry = entry_of(*records)
    conditions = [record.conditions["aa"] for record in records]
    worst = summarise(entry, "aa", "worst")
    assert worst.by_seed == tuple(condition.worst for condition in conditions)
    assert worst.value == pytest.approx(np.mean([condition.worst for condition in conditions]))
    ends = [lowest_interval(one.class_correct, one.class_total) for one in conditions]
    np.testing.assert_allclose(worst.interval, np.mean(ends, axis=0))
    assert worst.bias == pytest.approx(np.mean([bias_of_lowest(o.class_correct, o.class_total) for o in conditions]))
    average = summarise(entry, "aa", "average")
    ends = [wilson_interval(sum(one.class_correct), sum(one.class_total)) for one in conditions]
    assert average.interval == pytest.approx(tuple(np.mean(ends, axis=0)))


def test_the_scatter_of_seeds_and_of_test_images_stand_apart():
    records = [make_record(seed=seed) for seed in range(3)]
    worst = summarise(entry_of(*records), "aa", "worst")
    assert worst.seed_deviation == pytest.approx(np.std(worst.by_seed, ddof=1))
    low, high = worst.interval
    assert worst.sampling_deviation == pytest.approx((high - low) / 2 / 1.96, rel=1e-4)
    alone = summarise(entry_of(records[0]), "aa", "worst")
    assert alone.seed_deviation is None
    assert alone.sampling_deviation > 0


def test_every_shown_metric_has_an_interval_that_holds_its_value():
    entry = entry_of(make_record())
    found = [summarise(entry, "aa", metric) for metric in ("average", "worst", "worst_tenth")]
    found += [highest_false_positive_score(entry, "aa"), *class_summaries(entry, "aa", "c_fps")]
    for one in found:
        assert one.interval[0] <= one.value <= one.interval[1]
    assert summarise(entry, "aa", "overall").interval is None
    assert summarise(entry, "aa", "average").bias is None


def test_a_condition_that_a_seed_lacks_is_missing_with_a_reason():
    entry = entry_of(make_record(seed=0), make_record(seed=1, conditions=("clean",)))
    assert summarise(entry, "aa", "average") is None
    assert class_summaries(entry, "aa", "accuracy") is None
    assert why_missing(entry, "aa") == "measured for 1 of 2 seeds"
    assert why_missing(entry, "clean") == ""
    assert why_no_false_positive_score(entry, "square") == "measured for 1 of 2 seeds"
    assert why_missing(entry_of(make_record(conditions=("clean",))), "aa") == "not measured"
    assert why_missing(entry, "aa", last=True) == "not measured"


def test_an_undefined_score_keeps_the_records_reason():
    values = make_values(conditions=("clean",), last=None)
    values["conditions"]["clean"] = make_condition(np.eye(10, dtype=int) * 5)
    entry = entry_of(Record.model_validate(values))
    assert highest_false_positive_score(entry, "clean") is None
    assert class_summaries(entry, "clean", "c_fps") is None
    assert why_no_false_positive_score(entry, "clean") == "no image is misclassified"


def test_conditions_come_in_the_order_of_the_tables_and_the_strongest_is_known():
    entry = entry_of(make_record(conditions=("square", "corruptions.fog.3", "clean", "pgd20"), last=None))
    assert condition_names([entry]) == ["clean", "pgd20", "square", "corruptions.fog.3"]
    assert strongest_condition([entry]) == "pgd20"
    with pytest.raises(ValueError, match="hold no condition"):
        strongest_condition([entry_of(make_record(conditions=(), last=None))])
