"""What is told of how far a call has come: a share that never falls and ends at one."""

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairbench.attacks.battery import autoattack
from fairbench.attacks.effort import Effort
from fairbench.threads import computing_threads


@given(
    runs=st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 1), st.integers(1, 7)), min_size=1, max_size=8),
    images=st.integers(0, 300),
)
def test_the_share_never_falls_and_ends_at_one(runs, images):
    told = []
    effort = Effort([cost for cost, _, _ in runs], told.append)
    for cost, kept, steps in runs:
        effort.begin(images)
        for _ in range(steps):
            effort.advance(images * cost / steps)
        effort.advance(images)  # more than planned: images in doubt, for instance
        images = int(images * kept)
    assert told == sorted(told)
    assert told[0] >= 0
    assert told[-1] == pytest.approx(1)


def test_a_run_on_fewer_images_counts_less():
    told = []
    effort = Effort([100, 300], told.append)
    effort.begin(10)
    effort.advance(500)
    assert told == [0, 500 / 4000]
    effort.begin(5)
    assert told[-1] == 1000 / 2500


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_call_tells_how_far_it_is(digits, threads, precision):
    told, tellers = [], set()

    def report(share):
        told.append(share)
        tellers.add(threading.current_thread())

    call = {"eps": digits.eps, "square_queries": 300, "micro_batch": 16, "search_precision": precision}
    x, y = digits.x[:90], digits.y[:90]
    with computing_threads(threads):
        watched = autoattack(digits.network, x, y, report=report, **call)
        alone = autoattack(digits.network, x, y, **call)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    assert len(set(told)) > 100
    assert len(tellers) >= threads
    assert torch.equal(watched.x_adv, alone.x_adv)


def test_members_that_are_left_out_cost_nothing():
    def two_classes(x):
        logit = 3 * x.mean(dim=(1, 2, 3)) - 1.5
        return torch.stack([logit, -logit], dim=1)

    told = []
    x = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = two_classes(x).argmax(dim=1)
    result = autoattack(two_classes, x, y, eps=1e-4, square_queries=10, report=told.append)
    assert result.log["apgd-t"]["notes"]
    assert result.robust.any()
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_a_network_that_is_always_wrong_is_done_at_once(digits):
    told = []
    wrong = (digits.network(digits.x[:5]).argmax(dim=1) + 1) % 10
    autoattack(digits.network, digits.x[:5], wrong, eps=digits.eps, square_queries=10, report=told.append)
    assert set(told) == {1.0}


def test_a_member_that_soon_breaks_everything_is_done(digits):
    told = []
    result = autoattack(digits.network, digits.x[:20], digits.y[:20], eps=0.9, attacks=["apgd-ce"], report=told.append)
    assert not result.robust.any()
    assert len(told) < 90
    assert told[-1] == 1
