"""Threads that search side by side: nobody sees from the result how many they were."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from fairbench.attacks import autoattack, ensemble, prepare_search
from fairbench.attacks.crew import Crew
from fairbench.attacks.network import Network
from fairbench.attacks.square_search import SquareLinf
from fairbench.threads import computing_threads


@pytest.fixture
def two_cores():
    with computing_threads(2):
        yield


def crew_of(count):
    return Crew([Network(lambda x: x, lambda x: x, (8,)) for _ in range(count)])


def test_results_come_in_order_and_every_network_is_asked_by_one_thread(two_cores):
    seen, both = {}, threading.Barrier(2, timeout=20)

    def work(network, number):
        if number < 2:
            both.wait()  # so that neither thread does it all
        seen.setdefault(id(network), set()).add(threading.get_ident())
        assert torch.get_num_threads() == 1
        network.passes.forward += number
        return number

    with crew_of(2) as crew:
        assert crew.each(work, range(20)) == list(range(20))
        assert crew.each(work, []) == []
        assert len(seen) == 2
        assert all(len(threads) == 1 for threads in seen.values())
        assert crew.take_passes().forward == sum(range(20))
        assert crew.take_passes().forward == 0
    assert torch.get_num_threads() == 2


def test_an_error_of_any_thread_is_raised(two_cores):
    def work(_, number):
        if number == 3:
            raise ArithmeticError("the third")
        return number

    with crew_of(2) as crew, pytest.raises(ArithmeticError, match="the third"):
        crew.each(work, range(6))


def test_the_others_stop_where_one_fails_or_the_caller_is_interrupted(two_cores):
    def failing(_, number):
        if number == 0:
            raise ArithmeticError("the first")
        while True:
            crew.go_on()

    def interrupting(_, number):
        def interrupt():
            raise KeyboardInterrupt

        crew.by_caller(interrupt)

    with crew_of(2) as crew, pytest.raises(ArithmeticError, match="the first"):
        crew.each(failing, range(6))
    with crew_of(2) as crew, pytest.raises(KeyboardInterrupt):
        crew.each(interrupting, range(6))


def test_questions_are_answered_by_the_thread_that_waits(two_cores):
    def work(_, number):
        return crew.by_caller(lambda: (number, threading.get_ident(), torch.get_num_threads()))

    def asking(_, number):
        return crew.by_caller(lambda: [][number])

    for count in (1, 2):
        with crew_of(count) as crew:
            assert crew.each(work, range(5)) == [(number, threading.get_ident(), 2) for number in range(5)]
            with pytest.raises(IndexError):
                crew.each(asking, range(2))
            assert len(crew.each(work, range(5))) == 5


def test_two_threads_find_what_one_finds(digits, two_cores):
    def attack():
        return autoattack(
            digits.network,
            digits.x[:20],
            digits.y[:20],
            eps=digits.eps,
            attacks=["apgd-ce", "square"],
            square_queries=40,
            micro_batch=8,
        )

    two = attack()
    torch.set_num_threads(1)
    one = attack()
    assert (one.checks["workers"], two.checks["workers"]) == (1, 2)
    assert torch.equal(one.x_adv, two.x_adv)
    assert torch.equal(one.robust, two.robust)


@pytest.mark.parametrize("member", ["apgd-t", "fab-t"])
@pytest.mark.parametrize("size", [4, 30])
def test_an_image_whose_targets_lie_in_several_groups_finds_the_same(digits, monkeypatch, two_cores, member, size):
    def attack():
        x, y = digits.x[:24], digits.y[:24]
        return autoattack(digits.network, x, y, eps=digits.eps, attacks=[member], micro_batch=32)

    whole = attack()
    # The last groups go first, so that late finds come before early ones.
    monkeypatch.setattr(
        ensemble, "in_groups", lambda rows, most, shares: list(rows.split(size))[::-1] if len(rows) else []
    )
    parted = attack()
    assert 0 < whole.robust.sum() < whole.log[member]["attacked"]
    assert torch.equal(whole.robust, parted.robust)
    assert torch.equal(whole.x_adv, parted.x_adv)


def test_how_many_queries_lie_between_two_verdicts_changes_nothing(digits, monkeypatch):
    def attack(stretch):
        monkeypatch.setattr(SquareLinf.__init__, "__defaults__", (*SquareLinf.__init__.__defaults__[:-1], stretch))
        x, y = digits.x[:60], digits.y[:60]
        return autoattack(digits.network, x, y, eps=digits.eps, attacks=["square"], square_queries=40, micro_batch=16)

    seldom, always = attack(20), attack(1)
    assert 0 < seldom.robust.sum() < always.log["square"]["attacked"]
    assert torch.equal(seldom.x_adv, always.x_adv)
    assert torch.equal(seldom.robust, always.robust)


def test_a_network_that_draws_and_one_that_cannot_be_copied_are_asked_by_one_thread(two_cores, digits):
    class Drawing(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 10)

        def forward(self, x):
            return self.linear(x.flatten(1)) + 1e-6 * torch.randn(len(x), 10)

    for network in (Drawing().eval(), digits.network.forward):
        assert len(prepare_search(network, digits.x[:4], precision="float32", micro_batch=4).searches) == 1
    searches = prepare_search(digits.network, digits.x[:4], precision="float32", micro_batch=4).searches
    assert len(searches) == 2
    assert searches[0].module is not searches[1].module
    weights = zip(*(search.module.state_dict().values() for search in searches), strict=True)
    assert all(one.data_ptr() == other.data_ptr() for one, other in weights)
