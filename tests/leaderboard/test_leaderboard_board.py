import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import binom, binomtest, multinomial, multivariate_normal, ttest_ind
from synthetic import make_condition, make_values, write_values

from benchmarks import false_splits as simulated
from fairbench.errors import UsageError
from fairbench.evaluation.predictions import Predictions, write_predictions
from fairbench.leaderboard.agreement import rank_agreement
from fairbench.leaderboard.board import SPLIT_SIGNIFICANCE, board_of, pairwise_p_values, rank_intervals, tie_groups
from fairbench.leaderboard.comparison import adjusted, compare_average, compare_weakest
from fairbench.leaderboard.outcomes import Outcomes, read_outcomes
from fairbench.leaderboard.ranking import rank
from fairbench.leaderboard.records import load_runs

LABELS = np.repeat([0, 1, 2], 100)


def outcomes(*seeds):
    """One row per seed: how many images of each class are right, the first ones of the class."""
    rows = [np.concatenate([np.arange(100) < hits for hits in seed]) for seed in seeds]
    return Outcomes(correct=np.stack(rows), labels=LABELS, positions=np.arange(300), num_classes=3)


def write_run(folder, method, hits, seed=0, answers=None):
    """A run whose AutoAttack hits so many of 100 images of each of three classes, with its predictions."""
    correct = outcomes(hits).correct[0]
    predicted = np.where(correct, LABELS, (LABELS + 1) % 3) if answers is None else answers
    confusion = np.zeros((3, 3), dtype=int)
    np.add.at(confusion, (LABELS, predicted), 1)
    values = make_values(
        method, seed=seed, classes=["a", "b", "c"], per_class=100, last=None, conditions=("clean", "aa")
    )
    values["conditions"]["aa"] = make_condition(confusion)
    path = write_values(folder, values)
    write_predictions(
        path.with_name("predictions.npz"), Predictions(LABELS.astype(np.int16), {"aa": predicted.astype(np.int16)})
    )
    return path


def test_the_average_is_mcnemars_test():
    test = compare_average(outcomes([50, 60, 70]), outcomes([40, 65, 70]))
    assert (test.only_first, test.only_second) == (10, 5)
    assert test.p_value == pytest.approx(binomtest(10, 15).pvalue)
    assert (test.first, test.second) == (pytest.approx(0.6), pytest.approx(175 / 300))


def test_one_weakest_class_in_common_is_tested_on_its_own_images():
    test = compare_weakest(outcomes([30, 90, 10]), outcomes([90, 30, 25]))
    assert (test.metric, test.first_classes, test.second_classes) == ("worst", (2,), (2,))
    assert (test.only_first, test.only_second) == (0, 15)
    assert test.p_value == pytest.approx(binomtest(0, 15).pvalue)


def test_where_the_weakest_class_only_moves_the_other_class_must_pass_too():
    first, second = outcomes([10, 90, 90]), outcomes([60, 14, 90])
    test = compare_weakest(first, second)
    assert (test.first_classes, test.second_classes) == ((0,), (1,))
    unpaired = ttest_ind(np.arange(100) < 14, np.arange(100) < 10, equal_var=False).pvalue
    assert test.p_value == pytest.approx(unpaired)
    assert not test.is_told_apart
    mirrored = compare_weakest(second, first)
    assert mirrored.p_value == pytest.approx(test.p_value)
    assert compare_weakest(first, outcomes([60, 40, 90])).is_told_apart


def test_holm_over_tests_made_together():
    tests = adjusted([compare_average(outcomes([50, 60, 70]), outcomes([hits, 60, 70])) for hits in (40, 44)])
    assert tests[0].adjusted == pytest.approx(2 * binomtest(10, 10).pvalue)
    assert tests[1].adjusted == pytest.approx(max(2 * binomtest(10, 10).pvalue, binomtest(6, 6).pvalue))


def test_different_images_are_not_compared():
    one = outcomes([1, 2, 3])
    other = Outcomes(correct=one.correct, labels=one.labels, positions=one.positions + 1, num_classes=3)
    with pytest.raises(ValueError, match="expected the same images"):
        compare_average(one, other)


def test_as_soon_as_there_are_seeds_their_scatter_counts():
    alone = pairwise_p_values([outcomes([20, 90, 90]), outcomes([40, 90, 90])])
    steady = pairwise_p_values([outcomes([20, 90, 90], [21, 90, 90], [19, 90, 90]), outcomes([40, 90, 90])])
    scattered = pairwise_p_values([outcomes([5, 90, 90], [35, 90, 90], [20, 90, 90]), outcomes([40, 90, 90])])
    assert alone[0, 1] < 0.001
    assert steady[0, 1] < 0.05 < scattered[0, 1]


def test_rank_intervals_and_letters_of_a_small_board():
    apart = {(0, 1): 0.4, (0, 2): 0.01, (0, 3): 0.001, (1, 2): 0.2, (1, 3): 0.01, (2, 3): 0.3}
    assert rank_intervals(4, apart) == [(1, 2), (1, 3), (2, 4), (3, 4)]
    assert tie_groups(4, apart) == ["a", "ab", "bc", "c"]
    assert tie_groups(3, {}) == ["a", "a", "a"]
    assert rank_intervals(1, {}) == [(1, 1)]


def test_a_board_reads_its_predictions_and_says_what_it_could_not_test(tmp_path):
    for method, hits in {"low": [5, 90, 90], "twin": [52, 90, 90], "high": [50, 91, 90]}.items():
        write_run(tmp_path, method, hits)
    write_values(tmp_path, make_values("bare", classes=["a", "b", "c"], per_class=100))
    runs = load_runs(tmp_path)
    entries = rank([run.record for run in runs])
    board = board_of(entries, runs)
    found = {one.entry.record.method: one for one in board.standings}
    assert found["twin"].ranks[0] == found["high"].ranks[0] == 1
    assert set(found["twin"].groups) & set(found["high"].groups)
    assert not set(found["low"].groups) & set(found["high"].groups)
    assert found["low"].ranks[0] >= 3
    assert not found["bare"].is_tested
    assert found["bare"].ranks == (1, 4)
    assert "One seed each" in board.note


def test_predictions_that_contradict_the_record_are_refused(tmp_path):
    path = write_run(tmp_path, "pgd_at", [50, 60, 70])
    wrong = ((LABELS + 1) % 3).astype(np.int16)
    write_predictions(path.with_name("predictions.npz"), Predictions(LABELS.astype(np.int16), {"aa": wrong}))
    with pytest.raises(UsageError, match="does not belong to its record: under aa the counts"):
        read_outcomes(load_runs(tmp_path), "aa")


def test_agreement_of_orders_by_hand(tmp_path):
    def entry(method, worst, average):
        values = make_values(
            method, classes=["a", "b", "c"], per_class=100, last=None, conditions=("clean", "pgd20", "aa")
        )
        counts = {"aa": [worst, 90, 90], "pgd20": [worst + 5, average, 90], "clean": [90, 90, 90]}
        for name, hits in ((name, np.array(hits)) for name, hits in counts.items()):
            values["conditions"][name] = make_condition(np.diag(hits) + np.roll(np.diag(100 - hits), 1, axis=1))
        return write_values(tmp_path, values)

    for method, worst, average in (("one", 30, 40), ("two", 20, 70), ("three", 10, 95)):
        entry(method, worst, average)
    found = rank_agreement(rank([run.record for run in load_runs(tmp_path)]))
    where = {(one.condition, one.metric): index for index, one in enumerate(found.choices)}
    assert found.tau[where["aa", "worst"]][where["pgd20", "average"]] == -1
    assert found.tau[where["aa", "worst"]][where["pgd20", "worst"]] == 1
    assert found.tau[where["aa", "worst"]][where["clean", "worst"]] is None
    assert found.choices[where["pgd20", "average"]].winners == ("three",)
    assert found.banner.startswith("The winner depends on the choice: one leads")
    assert "three" in found.banner


def test_no_banner_where_one_method_leads_throughout(tmp_path):
    write_run(tmp_path, "best", [50, 90, 95])
    write_run(tmp_path, "rest", [40, 80, 85])
    entries = rank([run.record for run in load_runs(tmp_path)])
    assert rank_agreement(entries).banner == ""
    assert rank_agreement(entries[:1]) is None


@pytest.mark.parametrize("ties", [1, 4])
def test_two_seeds_of_one_method_share_a_rank(ties):
    assert simulated.false_splits([simulated.tied(ties)] * 2, total=100, reruns=200, seed=1) <= 10


@pytest.mark.parametrize("board", [[simulated.tied(1)] * 4, [simulated.tied(4)] * 4, simulated.rotated(4)])
def test_a_board_of_equals_is_hardly_ever_split(board):
    assert simulated.false_splits(board, total=100, reruns=100, seed=3) <= 8


def test_seeds_that_scatter_do_not_split_equals():
    splits = simulated.false_splits([simulated.tied(2)] * 4, total=100, reruns=60, seed=4, seeds=3, seed_deviation=0.03)
    assert splits <= 6


def chance_to_tell_apart(first, second, total, *, agreement=0.8):
    """The power of the exact test on one class, by adding up all outcomes of its images."""
    both = multivariate_normal(cov=[[1, agreement], [agreement, 1]]).cdf(ndtri([first, second]))
    pairs = np.array([(i, j) for i in range(total + 1) for j in range(total + 1 - i)])
    only = [first - both, second - both]
    weights = multinomial.pmf(np.column_stack([pairs, total - pairs.sum(axis=1)]), total, [*only, 1 - sum(only)])
    p_values = 2 * binom.cdf(pairs.min(axis=1), np.maximum(pairs.sum(axis=1), 1), 0.5)
    return float(weights[p_values < SPLIT_SIGNIFICANCE].sum())


@pytest.mark.parametrize("better", [0.4, 0.5])
def test_what_differs_is_told_apart_as_often_as_its_power_says(better):
    """The other classes lie so high that the weakest one is never in doubt, and one test decides."""
    methods = [[lowest, *[0.9] * 9] for lowest in (0.3, better)]
    reruns, power = 100, chance_to_tell_apart(0.3, better, 100)
    splits = simulated.false_splits(methods, total=100, reruns=reruns, seed=5)
    low, high = binom.ppf([0.0005, 0.9995], reruns, power)
    assert low <= splits <= high
