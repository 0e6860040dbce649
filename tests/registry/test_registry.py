"""From a written form to parts: names, options and combinations."""

import re

import pytest

import fairbench
from fairbench.compose import compose, track_defaults
from fairbench.errors import UsageError
from fairbench.registry import entries, find_entry
from fairbench.training.averaging import Ema, Fawa
from fairbench.training.awp import Awp


def test_the_published_methods_of_the_field_are_there():
    assert {"natural", "pgd_at", "trades", "faal", "frl", "cfa"} <= set(entries())
    assert entries()["faal"].origin == "built-in"
    assert find_entry("frl") is entries()["frl"]


@pytest.mark.parametrize(
    ("text", "objective", "modifiers"),
    [
        ("faal", "at", ()),
        ("frl", "trades", ()),
        ("cfa", "at", ("fawa",)),
        ("cfa@trades", "trades", ("fawa",)),
        ("cfa+ema", "at", ("ema",)),
        ("cfa+awp", "at", ("awp", "fawa")),
        ("faal@trades+awp", "trades", ("awp",)),
        ("trades+ema+awp", "trades", ("awp", "ema")),
        ("pgd_at", "at", ()),
    ],
)
def test_names_become_parts(text, objective, modifiers):
    composition = compose(text)
    recipe = composition.recipe()
    assert (composition.objective, composition.modifiers) == (objective, modifiers)
    assert isinstance(recipe.method, fairbench.Method)
    assert isinstance(recipe.method.objective, entries()[{"at": "pgd_at"}.get(objective, objective)].part)
    assert (recipe.awp is not None) == ("awp" in modifiers)
    kinds = {"ema": Ema, "fawa": Fawa}
    assert {type(recipe.averaging)} - {type(None)} == {kinds[name] for name in modifiers if name in kinds}
    assert recipe.awp is None or isinstance(recipe.awp, Awp)


def test_two_recipes_share_nothing():
    composition = compose("cfa@trades+awp")
    first, second = composition.recipe(), composition.recipe()
    assert first.method is not second.method
    assert first.method.objective is not second.method.objective
    assert first.averaging is not second.averaging


def test_options_reach_the_part_that_knows_them():
    recipe = compose("faal@trades+awp+fawa?tau=0.3&beta=4&gamma=0.01&threshold=0.1&attack_bn=train").recipe()
    assert recipe.method.options.tau == 0.3
    assert recipe.method.objective.options.beta == 4
    assert recipe.awp.options.gamma == 0.01
    assert recipe.averaging.options.threshold == 0.1
    assert recipe.method.attack_bn == "train"
    dotted = compose("faal@trades+awp+fawa?faal.tau=0.3&trades.beta=4&awp.gamma=0.01&fawa.threshold=0.1")
    assert dotted.recipe().method.options.tau == 0.3
    assert compose("pgd_at?attack_bn=eval").recipe().method.attack_bn == "eval"


def test_an_option_that_two_parts_know_needs_its_part():
    with pytest.raises(UsageError, match=r"option 'start' .* is known to cfa and awp and fawa; write cfa\.start"):
        compose("cfa+awp?start=0.1")
    recipe = compose("cfa+awp?cfa.start=0.1&awp.start=0.2&fawa.start=0.3").recipe()
    assert [part.options.start for part in (recipe.method, recipe.awp, recipe.averaging)] == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fal", "unknown method 'fal': did you mean faal"),
        ("xyzzy", "unknown method 'xyzzy': known: .*cfa, .*trades.*fairbench methods list"),
        ("faal@trade", "unknown objective 'trade': did you mean trades"),
        ("faal+awpp", "unknown modifier 'awpp': did you mean awp"),
        ("faal?tua=1", "unknown option of 'faal\\?tua=1': 'tua': did you mean tau"),
        ("faal?faa.tau=1", "unknown part in the option 'faa.tau' of .*: 'faa': did you mean faal"),
        ("faal?faal.tua=1", "'tua': did you mean tau"),
        ("faal?awp.gamma=1", "unknown part .*'awp'"),
        ("faal?tau=-1", "method faal\\?tau=-1: tau = '-1': .*greater than or equal to 0"),
        ("faal?tau=lots", "tau = 'lots': .*number"),
        ("faal?tau=nan", "tau = .*nan.*finite"),
        ("faal?divergence=chi2", "divergence = 'chi2': .*'reverse_kl' or 'kl'"),
    ],
)
def test_unknown_names_and_wrong_values_are_named_with_what_was_near(text, message):
    with pytest.raises(UsageError, match=message) as error:
        compose(text)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("faal@clean", "faal@clean makes no sense: clean has no attack, .*; faal works on at, trades"),
        ("frl@at", "frl@at makes no sense: at has no boundary term .*; frl works on trades"),
        ("absld@trades", "trades has no teacher, whose answers absld changes or weighs; absld works on rslad"),
        ("cfa@rslad", "rslad takes its labels from a teacher, and CFA is defined on the true ones"),
        ("wat@mart", "WAT is not defined on the attack and the terms of mart; wat works on trades"),
        ("trades@at", "trades is an objective itself, it cannot stand on @at"),
        ("faal+ema+fawa", "averages the weights twice \\(ema and fawa\\); keep one"),
    ],
)
def test_combinations_that_make_no_sense_are_refused_with_a_reason(text, message):
    with pytest.raises(UsageError, match=message):
        compose(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("faal@at", "faal"),
        ("frl@trades", "frl"),
        ("cfa+fawa", "cfa"),
        ("cfa+fawa+awp", "cfa+awp"),
        ("cfa+ema", "cfa+ema"),
        ("faal+fawa+awp", "faal+awp+fawa"),
        ("faal?objective=sample_sum&divergence=kl", "faal?divergence=kl&objective=sample_sum"),
        (" faal ", "faal"),
        ("faal?tau=0.5", "faal"),
        ("faal?tau=0.30", "faal?tau=0.3"),
        ("faal?faal.tau=3e-1", "faal?tau=0.3"),
        ("faal?divergence=kl&extra_clean_forwards=00", "faal?divergence=kl&extra_clean_forwards=0"),
        ("frl?trades.beta=1.50", "frl"),
        ("cfa+awp?cfa.start=0.05&awp.start=0.2", "cfa+awp?awp.start=0.2"),
    ],
)
def test_there_is_one_written_form_for_one_configuration(text, written):
    composition = compose(text)
    assert composition.written == written
    again = compose(written)
    assert again.written == written
    assert (again.options, again.objective, again.modifiers) == (
        composition.options,
        composition.objective,
        composition.modifiers,
    )


def test_an_option_set_twice_by_two_names_is_refused():
    with pytest.raises(UsageError, match=r"option faal\.tau twice"):
        compose("faal?tau=0.3&faal.tau=0.4")


def test_every_option_is_resolved_for_the_record():
    options = compose("faal+awp?tau=0.3").options
    assert options["faal"]["tau"] == 0.3
    assert options["faal"]["divergence"] == "reverse_kl"
    assert options["awp"] == {"gamma": 0.005, "start": 0.0}
    assert set(options) == {"faal", "at", "awp"}


def test_a_track_s_scaled_settings_give_way_to_what_is_written():
    assert compose("frl").options["trades"]["beta"] == 1.5
    assert compose("cfa", track="fmnist").options["fawa"]["threshold"] == 0.05
    assert compose("cfa").options["fawa"]["threshold"] == 0.2
    assert compose("cfa?threshold=0.3", track="fmnist").options["fawa"]["threshold"] == 0.3
    assert compose("cfa+ema", track="fmnist").modifiers == ("ema",)
    assert track_defaults(find_entry("frl"), "cifar10-prn18-ft", "schedule") == {
        "epochs": 80,
        "learning_rate": 0.001,
        "milestones": {0.5: 0.1},
    }
    assert track_defaults(find_entry("faal"), "cifar10-prn18-ft", "schedule") == {}


def test_a_pattern_of_tracks_holds_where_no_narrower_one_does(own_registry):
    defaults = {
        "cifar100-xy": {"awp.gamma": 3},
        "c-a-long-end": {"awp.gamma": 6},
        "*-a-long-end-*": {"awp.gamma": 5},
        "*-a-long-end*": {"awp.gamma": 4},
        "cifar100-*": {"trades.beta": 2, "awp.gamma": 2},
        "cifar*": {"trades.beta": 4, "awp.start": 0.7},
        "*": {"trades.beta": 1, "awp.gamma": 1},
        "@trades": {"awp.start": 0.5},
    }
    register(own_registry, "mine", objective="trades", defaults=defaults)
    settings = {
        track: (options["trades"]["beta"], options["awp"]["gamma"], options["awp"]["start"])
        for track in (None, "fmnist", "cifar10", "cifar100-y", "cifar100-xy", "c-a-long-end")
        for options in (compose("mine+awp", track=track).options,)
    }
    assert settings == {
        None: (1, 1, 0.5),
        "fmnist": (1, 1, 0.5),
        "cifar10": (4, 1, 0.7),
        "cifar100-y": (2, 2, 0.7),
        "cifar100-xy": (2, 3, 0.7),
        "c-a-long-end": (1, 6, 0.5),
    }


def test_a_method_stands_on_the_objective_as_it_is_on_the_track_but_keeps_its_own_epochs():
    assert compose("rslad", track="fmnist").options["rslad"]["kl_scale"] == 10
    assert compose("absld", track="fmnist").options["rslad"]["kl_scale"] == 10
    assert compose("absld").options["rslad"]["kl_scale"] == 1
    assert compose("absld?kl_scale=2", track="fmnist").options["rslad"]["kl_scale"] == 2
    assert compose("fair_mtard", track="cifar100-rn18-distill").options["mtard"]["kl_scale"] == 10
    assert track_defaults(find_entry("cfa"), "digits", "schedule") == {"epochs": 12}
    assert track_defaults(find_entry("faal"), "digits", "schedule") == {}


def register(registry, name, **options):
    """Register a method as the code of a user would."""

    @registry.register(name, **({"title": "Mine", "paper": "Nobody, 2030"} | options))
    class Mine(fairbench.Method):
        """A method of my own."""

    return Mine


def test_a_method_registered_in_this_process_is_found_and_is_not_called_built_in(own_registry):
    part = register(own_registry, "mine", objectives=("at", "trades"))
    composition = compose("mine@trades?beta=2")
    assert composition.entry.part is part
    assert composition.recipe().method.objective.options.beta == 2
    assert composition.entry.origin != "built-in"


@pytest.mark.parametrize("name", ["faal", "trades", "at", "ema", "awp", "step"])
def test_a_name_that_is_taken_is_refused_and_nothing_changes(own_registry, name):
    before = own_registry.entries()
    with pytest.raises(UsageError, match=f"name '{name}' .* is taken"):
        register(own_registry, name)
    assert own_registry.entries() == before


def test_an_objective_name_that_is_taken_is_refused_and_nothing_changes(own_registry):
    before, objectives = own_registry.entries(), dict(own_registry._objectives)
    with pytest.raises(UsageError, match=r"objective name 'at' .* is taken"):
        own_registry.register("mine", title="Mine", paper="Nobody", as_objective="at")(fairbench.Objective)
    assert own_registry.entries() == before
    assert own_registry._objectives == objectives


@pytest.mark.parametrize("name", ["My Method", "", "1st", "a.b", "a@b", "ä"])
def test_a_name_that_nobody_could_write_is_refused(own_registry, name):
    with pytest.raises(UsageError, match=f"name {re.escape(repr(name))} .*small letters"):
        register(own_registry, name)


def test_registering_gives_the_class_back(own_registry):
    assert issubclass(register(own_registry, "mine"), fairbench.Method)
