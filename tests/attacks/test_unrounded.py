"""Images so near the boundary that rounding decides are searched without it."""

from dataclasses import replace

import pytest
import torch

from fairbench.attacks import ensemble, prepare_search
from fairbench.attacks.battery import autoattack
from fairbench.attacks.members import Settings, stages

MICRO_BATCH = 64
MEMBERS = ("apgd-t", "fab", "fab-t", "square")


def result_of(case, member, count=90, **options):
    return autoattack(
        case.network,
        case.x[:count],
        case.y[:count],
        eps=case.eps,
        attacks=[member],
        square_queries=300,
        micro_batch=MICRO_BATCH,
        **options,
    )


@pytest.mark.parametrize("member", MEMBERS)
def test_stages_without_rounding_are_the_plain_search(digits, member):
    plain = prepare_search(digits.network, digits.x[:1], precision="float32", micro_batch=MICRO_BATCH)
    whole = result_of(digits, member, prepared=plain)
    staged = result_of(digits, member, prepared=replace(plain, exact=plain))
    assert torch.equal(whole.x_adv, staged.x_adv)
    assert torch.equal(whole.robust, staged.robust)


@pytest.mark.parametrize("member", ["fab-t", "square"])
def test_no_doubt_leaves_what_rounding_misses(digits, member, monkeypatch):
    monkeypatch.setattr(ensemble, "DOUBT", 1e6)
    exact = result_of(digits, member)
    rounded = result_of(digits, member, search_precision="bfloat16")
    assert rounded.log[member]["unrounded"] > 0
    if member == "fab-t":  # which repeats all; Square only ends without rounding
        assert not (rounded.robust & ~exact.robust).any()
    else:
        assert int((rounded.robust ^ exact.robust).sum()) <= 2


def test_only_a_few_images_are_in_doubt(digits):
    for member, most in (("apgd-t", 0), ("fab-t", 10), ("square", 30)):
        result = result_of(digits, member, search_precision="bfloat16")
        assert result.log[member]["unrounded"] <= most
        assert result_of(digits, member).log[member]["unrounded"] == 0


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_square_keeps_its_number_of_queries(norm):
    settings = Settings(eps=0.1, norm=norm, seed=0, classes=10, square_queries=1000)
    whole = [stage.search.iterations for stage in stages("square", settings, None)]
    runs = list(stages("square", settings, torch.zeros(1, 1, 8, 8)))
    assert whole == [1001]
    if norm == "linf":  # the second run asks once more about the point where the first one stopped
        assert sum(run.search.iterations for run in runs) == 1002
    else:
        assert [(run.search.iterations, run.is_repeat) for run in runs] == [(1001, False), (1001, True)]
