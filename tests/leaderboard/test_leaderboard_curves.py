import pytest
from synthetic import make_record

from fairbench.errors import UsageError
from fairbench.leaderboard.curves import conditions_by_radius
from fairbench.protocol.conditions import check_conditions, expand_conditions


def test_clean_images_stand_at_0_and_pgd_at_the_tracks_own_radius():
    record = make_record(conditions=("clean", "aa", "pgd20", "epsilon.0.4", "epsilon.0.1"), last=None)
    assert conditions_by_radius(record) == {0: "clean", 0.1: "epsilon.0.1", 0.2: "pgd20", 0.4: "epsilon.0.4"}
    assert conditions_by_radius(make_record(conditions=("aa", "epsilon.0.1"), last=None)) == {0.1: "epsilon.0.1"}


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
