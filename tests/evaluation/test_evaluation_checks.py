"""What a search saw of a network reaches the record as data."""

import json

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from fairbench.evaluation import evaluate
from fairbench.evaluation.attack_checks import merged
from fairbench.evaluation.journal import JOURNAL_NAME
from fairbench.protocol.attack_checks import AttackChecks
from fairbench.protocol.record import ConditionRecord

QUERIES = 20


class FourClasses(nn.Module):
    """The first four logits: few targets keep the search short."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)[:, :4]


@pytest.fixture
def four(network, digits):
    kept = (digits.labels < 4).nonzero().squeeze(1)[:24]
    return FourClasses(network).eval(), digits.take(kept)


def checks(model, split, attack="square", **options):
    record = evaluate(model, split, ["clean", attack], eps=0.1, square_queries=QUERIES, **options).conditions
    assert record["clean"].checks is None
    return record[attack].checks


def test_counts_of_the_whole_condition(four, micro_batch, tmp_path):
    model, split = four
    found = checks(model, split, "aa", batch_size=12, out=tmp_path)
    whole = checks(model, split, "aa")
    with torch.no_grad():
        logits = model(split.images / 255)
    known = logits.argmax(dim=1) == split.labels
    assert (tmp_path / JOURNAL_NAME).read_text().count('"batch_of":"aa"') == 2
    assert list(found.attacked) == ["apgd-ce", "apgd-t", "fab-t", "square"]
    assert found.attacked == whole.attacked
    assert found.broken == whole.broken
    assert found.attacked["apgd-ce"] == int(known.sum())
    assert found.attacked["apgd-t"] == found.attacked["apgd-ce"] - found.broken["apgd-ce"]
    assert found.gradient_seen == torch.bincount(split.labels[known], minlength=4).tolist()
    assert found.gradient_zero == [0, 0, 0, 0]
    assert found.gradient_zero_share == [0.0, 0.0, 0.0, 0.0]
    assert not any((found.randomised, found.dynamic, found.probabilities, found.square_better))
    assert (found.lowest_logit, found.highest_logit) == pytest.approx((logits.min().item(), logits.max().item()))
    assert 0 < found.farthest <= 0.1 + 1e-6
    assert min(found.passes["forward"], found.passes["gradient"], found.passes["verdict"]) > 0


def test_a_resumed_evaluation_has_the_checks_of_before(four, micro_batch, tmp_path):
    model, split = four
    first = checks(model, split, batch_size=12, out=tmp_path)
    assert checks(model, split, batch_size=12, out=tmp_path) == first
    assert first.attacked["square"] > 0
    assert first.square_better is None
    assert first.gradient_zero_share == [None] * 4


def test_a_randomised_defence_that_hides_its_gradient(four):
    class Defence(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, x):
            answers = self.network(x + 0.01 * torch.rand_like(x)).softmax(dim=1)
            return answers.detach() + 0 * x.sum()

    model, split = four
    found = checks(Defence(model).eval(), split, "aa")
    assert found.randomised
    assert found.probabilities
    assert not found.dynamic
    assert found.gradient_zero == found.gradient_seen
    assert set(found.gradient_zero_share) <= {1.0, None}
    assert found.square_better == (found.broken["square"] > 0.002 * len(split.labels))
    assert found.square_better == any("masked" in note for note in found.notes)


def test_members_that_two_classes_do_not_allow_are_named(digits):
    kept = (digits.labels < 2).nonzero().squeeze(1)[:20]
    split = digits.take(kept)
    torch.manual_seed(0)
    found = checks(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).eval(), split, "aa")
    assert any(note.startswith("apgd-t: left out: its loss needs 4 classes") for note in found.notes)
    assert len(found.notes) == len(set(found.notes))


def test_checks_survive_the_file_and_contradictions_do_not(four):
    model, split = four
    record = evaluate(model, split, ["square"], eps=0.1, square_queries=QUERIES).conditions["square"]
    values = json.loads(record.model_dump_json())
    assert ConditionRecord.model_validate(values) == record
    assert ConditionRecord.model_validate({**values, "checks": None}).checks is None
    for change, words in (
        ({"broken": {"square": 10**6}}, "broke more images"),
        ({"broken": {}}, "different members"),
        ({"gradient_zero": [1, 0, 0, 0]}, "more gradients are zero"),
        ({"gradient_seen": [0]}, "different lengths"),
        ({"farthest": -1.0}, "greater than or equal to 0"),
    ):
        with pytest.raises(ValidationError, match=words):
            AttackChecks.model_validate(values["checks"] | change)


def test_a_condition_that_is_no_search_has_none():
    assert merged([]) is None
