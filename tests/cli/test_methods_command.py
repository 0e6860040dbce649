"""``fairbench methods``: what a reader finds out about a method."""

from __future__ import annotations

import json
from collections.abc import Callable

from fairbench.cli.option_docs import option_docs
from fairbench.compose import compose, options_of
from fairbench.protocol.track import load_track, track_names
from fairbench.registry import entries

NAMES = {
    *(
        "natural",
        "pgd_at",
        "trades",
        "mart",
        "friendly_at",
        "fairly_at",
        "frl",
        "cfa",
        "wat",
        "bat",
        "faal",
        "fair_tat",
    ),
    *("dafa", "ard", "iad", "rslad", "adaad", "mtard", "absld", "fair_ard", "fair_rslad", "fair_iad", "fair_mtard"),
}


def test_the_listing_has_every_method_of_the_field_with_family_paper_needs_and_tracks(fairbench: Callable) -> None:
    listed = {method["name"]: method for method in json.loads(fairbench("methods", "list", "--json").out)}
    assert set(listed) >= NAMES
    for method in listed.values():
        assert method["family"] in {"objective", "fairness", "distillation"}
        assert method["paper"]
        for track in method["tracks"]:
            roles = {"teacher": "robust", "clean teacher": "clean"}
            assert {roles[need] for need in method["needs"] if need in roles} <= set(load_track(track).teachers)
    assert listed["pgd_at"]["tracks"] == track_names()
    assert listed["absld"]["needs"] == ["teacher"]
    table = fairbench("methods", "list").out
    for word in ("Zhang et al., CVPR 2024", "fairness", "feedback split", "fmnist"):
        assert word in table


def test_showing_a_method_gives_equations_settings_with_sources_and_written_forms(fairbench: Callable) -> None:
    shown = fairbench("methods", "show", "cfa@trades", "--track", "fmnist").out
    for words in (
        "epsilon_c = (lambda1 + t_c) epsilon",
        "cfa.radius_base = 0.3",
        "lambda1; in the paper 0.5 on AT, 0.3 on TRADES and 0.7 on Friendly AT.",
        "cfa.attack_bn = None (here eval)",
        "fawa.threshold = 0.05 (scaled to the track from 0.2)",
        "own settings  epochs = 8, padding_mode = reflect (on fmnist)",
        "cfa@friendly    (fair_tat table 1",
    ):
        assert words in shown


def test_a_track_that_does_not_exist_is_refused(fairbench: Callable) -> None:
    answer = fairbench("methods", "show", "cfa", "--track", "fmnst")
    assert answer.code == 2
    assert "did you mean fmnist" in answer.err


def test_every_option_of_every_part_says_what_it_is_and_where_it_comes_from() -> None:
    for name in entries():
        composition = compose(f"{name}+awp+fawa")
        for part in composition.options:
            model = options_of(composition, part)
            assert set(option_docs(model)) == set(model.model_fields), (name, part)
