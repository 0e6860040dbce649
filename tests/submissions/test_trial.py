"""Trials of a method: each kind of mistake is found by the check that names it, and honest methods pass."""

import textwrap

import pytest

from fairbench import registry
from fairbench.submissions.trial import TRIALS, try_method

PASSED = dict.fromkeys(TRIALS, "passed")

METHOD = """
import random
from dataclasses import replace

import torch

import fairbench
from fairbench.data import load_dataset


@fairbench.register("{name}", title="Mine", paper="Nobody")
class Mine(fairbench.Method):
    "A method with a mistake."
"""

MISTAKES = {
    "a_loss_of_nan": (
        """
        def combine(self, terms, weights):
            return super().combine(terms, weights) * float("nan")
        """,
        "finite losses",
        "combine: the loss is nan",
    ),
    "infinite_weights": (
        """
        def weigh(self, terms, batch):
            return {name: torch.full((), float("inf")) for name in terms.per_sample}
        """,
        "finite losses",
        "weigh: adversarial is not finite",
    ),
    "a_loss_of_the_batch": (
        """
        def losses(self, batch, views):
            terms = super().losses(batch, views)
            return replace(terms, per_sample={name: loss.mean()[None] for name, loss in terms.per_sample.items()})
        """,
        "shapes",
        "losses: adversarial is (1,), not (50,)",
    ),
    "out_of_the_ball": (
        """
        def perturb(self, batch, inner):
            views = super().perturb(batch, inner)
            return replace(views, x={name: 1 - x for name, x in views.x.items()})
        """,
        "shapes",
        "perturb: adversarial leaves the ball or the unit box",
    ),
    "a_look_at_the_test_set": (
        """
        def end_epoch(self, feedback):
            load_dataset("digits").test.labels.sum()
        """,
        "test set",
        "the test split was asked for while training",
    ),
    "forgotten_state": (
        """
        def reset(self):
            self.seen = 0

        def end_epoch(self, feedback):
            self.seen += 1

        def combine(self, terms, weights):
            return super().combine(terms, weights) * (1 + self.seen)
        """,
        "state",
        "resumed training ends with other weights; name all state in state_names",
    ),
    "dice": (
        """
        def weigh(self, terms, batch):
            dice = 0.5 + random.random()
            return {name: torch.full((), factor * dice) for name, factor in terms.coefficients.items()}
        """,
        "determinism",
        "the weights differ",
    ),
    "a_bug": (
        """
        def prepare(self, batch):
            return batch.nothing
        """,
        "runs",
        "synthetic: AttributeError: 'Batch' object has no attribute 'nothing' (prepare, a_bug.py:16)",
    ),
}


@pytest.fixture
def mistaken(tmp_path, monkeypatch):
    """Load a method with a mistake; it is forgotten afterwards."""
    registry.entries()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    def load(name: str) -> None:
        path = tmp_path / f"{name}.py"
        body = textwrap.indent(textwrap.dedent(MISTAKES[name][0]), "    ")
        path.write_text(METHOD.format(name=name) + body, encoding="utf-8")
        registry.load_plugin(path)

    return load


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_by_the_check_that_names_it(mistaken, name):
    mistaken(name)
    checks = {check.name: check for check in try_method(name)}
    failed = [check for check in checks.values() if check.outcome == "failed"]
    assert [check.name for check in failed] == [MISTAKES[name][1]], failed
    assert MISTAKES[name][2] in failed[0].detail
    assert checks["speed"].outcome == "skipped"


@pytest.mark.parametrize("name", ["nothing_of_this_name", "faal@clean", "faal?tau=-1"])
def test_a_form_that_cannot_be_read_fails_to_load(name):
    first, *others = try_method(name)
    assert (first.name, first.outcome) == ("loads", "failed")
    assert {check.outcome for check in others} == {"skipped"}


def test_a_built_in_method_passes():
    assert {check.name: check.outcome for check in try_method("faal@trades+awp")} == PASSED


@pytest.mark.prove
@pytest.mark.parametrize("name", sorted(registry.entries()))
def test_every_built_in_method_passes(name):
    assert {check.name: check.outcome for check in try_method(name)} == PASSED
