"""Bars move while a batch is still searched, and add up."""

from contextlib import contextmanager

import torch

from fairbench.data import load_dataset
from fairbench.evaluation.evaluator import evaluate
from fairbench.evaluation.probes import probe_masking
from fairbench.progress import PartOfBar


class Told:
    """Progress that keeps what it is told, bar by bar."""

    def __init__(self) -> None:
        self.bars = {}

    @contextmanager
    def bar(self, title, total):
        amounts = []
        self.bars[title] = (total, amounts)

        class Bar:
            def advance(self, amount=1, *, note=""):
                amounts.append((amount, note))

        yield Bar()

    def say(self, line):
        raise AssertionError(line)


def test_a_search_moves_its_bar_before_the_batch_is_done(network, digits):
    told = Told()
    evaluation = evaluate(
        network, digits, attacks=["clean", "aa"], eps=0.05, num_classes=10, square_queries=50, progress=told
    )
    for name, (total, amounts) in told.bars.items():
        assert sum(amount for amount, _ in amounts) == total == len(digits), name
    robust = f"{evaluation.conditions['aa'].average:.1%}"
    *within, (_, last) = told.bars["aa"][1]
    assert len(within) > 10
    assert {note for _, note in within} == {""}
    assert last == robust


def test_copies_of_the_model_share_a_bar(network, digits):
    told = Told()
    evaluate(
        network,
        digits,
        attacks=["aa"],
        eps=0.05,
        num_classes=10,
        square_queries=20,
        batch_size=100,
        device=["cpu", "cpu"],
        progress=told,
    )
    total, amounts = told.bars["aa"]
    assert sum(amount for amount, _ in amounts) == total == len(digits)


def test_work_that_is_done_again_is_not_counted_twice():
    told = Told()
    with told.bar("aa", 10) as bar:
        part = PartOfBar(bar, 10)
        for share in (0.05, 0.55, 0.1, 0.5, 0.72):
            part(share)
        assert told.bars["aa"][1] == [(5, ""), (2, "")]
        assert part.left == 3


def test_the_bar_of_the_probes_ends_full():
    data, told = load_dataset("digits"), Told()
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    probe_masking(network, data, 0.1, progress=told)
    total, amounts = told.bars["masking"]
    assert sum(amount for amount, _ in amounts) == total
    assert len(amounts) > 100
