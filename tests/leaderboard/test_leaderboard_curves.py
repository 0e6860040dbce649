import numpy as np
import pytest
from synthetic import make_record, make_values

from fairbench.errors import UsageError
from fairbench.leaderboard.curves import epsilon_curve
from fairbench.leaderboard.ranking import rank
from fairbench.protocol.conditions import check_conditions, expand_conditions
from fairbench.protocol.record import Record


def test_points_ascend_from_clean_over_the_tracks_radius_and_are_means_over_seeds():
    names = ("clean", "pgd20", "epsilon.0.4", "epsilon.0.1")
    records = [make_record(seed=seed, conditions=names, last=None) for seed in (0, 1)]
    (entry,) = rank(records)
    curve = epsilon_curve(entry)
    assert [point.epsilon for point in curve] == [0, 0.1, 0.2, 0.4]
    for point, name in zip(curve, ("clean", "epsilon.0.1", "pgd20", "epsilon.0.4"), strict=True):
        assert point.average == pytest.approx(np.mean([record.conditions[name].average for record in records]))
        assert point.weakest == pytest.approx(np.mean([record.conditions[name].worst for record in records]))


def test_a_radius_that_one_seed_lacks_is_left_out():
    values = make_values(seed=1, conditions=("clean", "pgd20"), last=None)
    full = make_record(seed=0, conditions=("clean", "pgd20", "epsilon.0.1"), last=None)
    (entry,) = rank([full, Record.model_validate(values)])
    assert [point.epsilon for point in epsilon_curve(entry)] == [0, 0.2]


def test_equal_radii_are_one_condition_in_the_order_of_size():
    wanted = ["epsilon.0.5", "clean", "epsilon.8/255", "epsilon.0.0313725"]
    assert check_conditions(wanted) == expand_conditions(wanted) == ["clean", "epsilon.0.0313725", "epsilon.0.5"]


@pytest.mark.parametrize("name", ["epsilon.0", "epsilon.2", "epsilon.x", "epsilon", "epsilon.8/0", "epsilon.nan"])
def test_refuses_what_is_no_radius(name):
    with pytest.raises(UsageError, match="expected a radius above 0 and at most 1"):
        check_conditions([name])


@pytest.mark.parametrize("name", ["strongest", "external"])
def test_uploads_are_no_attack_to_ask_for_by_name(name):
    with pytest.raises(UsageError, match="unknown attack"):
        check_conditions([name])
