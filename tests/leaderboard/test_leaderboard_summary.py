import numpy as np
import pytest
from synthetic import make_condition, make_record, make_values

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
    ends = [wilson_interval(one.class_correct[one.worst_class], one.class_total[one.worst_class]) for one in conditions]
    assert worst.interval == pytest.approx(tuple(np.mean(ends, axis=0)))
    average = summarise(entry, "aa", "average")
    ends = [wilson_interval(sum(one.class_correct), sum(one.class_total)) for one in conditions]
    assert average.interval == pytest.approx(tuple(np.mean(ends, axis=0)))


def test_only_counted_metrics_claim_an_interval():
    entry = entry_of(make_record())
    assert summarise(entry, "aa", "worst_tenth").interval is None
    assert highest_false_positive_score(entry, "aa").interval is None


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
