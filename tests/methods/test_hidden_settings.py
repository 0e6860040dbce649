"""What differs in silence between published codes: a setting with the published default, and a row in the record."""

import copy

import pytest
import torch

from fairbench.compose import compose, track_defaults
from fairbench.registry import entries, find_entry

# BN mode of the attack, and passes of the clean images in train mode whose answers nobody uses.
PUBLISHED = {
    "pgd_at": ("train", 1),
    "trades": ("eval", 1),
    "mart": ("eval", 0),
    "friendly_at": ("eval", 0),
    "bat": ("eval", 0),
    "faal": ("eval", 1),
    "faal@trades": ("eval", 0),
    "faal@mart+awp": ("eval", 0),
    "frl": ("eval", 1),
    "wat": ("eval", 0),
    "cfa": ("train", 1),
    "cfa@trades": ("eval", 2),
    "cfa@friendly": ("train", 1),
    "fair_tat": ("train", 2),
    "fairly_at": ("eval", 0),
    "fairly_at@trades": ("eval", 0),
    "dafa": ("eval", 0),
    "ard": ("train", 0),
    "rslad": ("eval", 0),
}


def settings(written, network, tiny):
    return tiny.bound(written, network).hidden_settings()


@pytest.mark.parametrize(("written", "mode", "forwards"), [(k, *v) for k, v in PUBLISHED.items()])
def test_the_batch_norms_are_treated_as_in_the_public_code_and_the_record_says_how(tiny, written, mode, forwards):
    told = settings(written, tiny.network(), tiny)
    assert (told["attack_bn"], told["extra_clean_forwards"]) == (mode, forwards)
    name, _, query = written.partition("?")
    changed = settings(f"{name}?{query}attack_bn=eval&extra_clean_forwards=3", tiny.network(), tiny)
    assert (changed["attack_bn"], changed["extra_clean_forwards"]) == ("eval", 3)


@pytest.mark.parametrize("written", ["pgd_at", "trades", "frl", "cfa@trades", "fair_tat", "faal"])
def test_extra_passes_move_the_statistics_and_nothing_else(tiny, seams, written):
    batch, losses, states = tiny.batch(), [], []
    views = seams.views(batch)
    for count in (0, 2):
        network = tiny.bn_network().train()
        method = tiny.bound(f"{written}?extra_clean_forwards={count}", network)
        losses.append(seams.loss(method, batch, views))
        states.append(copy.deepcopy(network[1]))
    assert torch.equal(*losses)
    assert int(states[1].num_batches_tracked) == int(states[0].num_batches_tracked) + 2
    assert not torch.equal(states[0].running_mean, states[1].running_mean)


@pytest.mark.parametrize(
    ("written", "row"),
    [
        ("faal", {"objective": "class_mean", "divergence": "reverse_kl"}),
        ("faal?objective=sample_sum", {"objective": "sample_sum"}),
        ("fair_tat", {"target_dist": "cfps"}),
        ("fair_tat?target_dist=uniform", {"target_dist": "uniform"}),
        ("fair_tat@trades", {"loss_divided": True}),
        ("trades", {"loss_divided": False}),
        ("trades?divide=true", {"loss_divided": True}),
        ("cfa@trades", {"loss_divided": True, "start": 0.05}),
        ("fairly_at", {"mode": "code"}),
        ("dafa", {"conserving": True}),
        ("friendly_at", {"attack_jitter": 0.001}),
        ("absld", {"temperature_coupling": "independent", "rate_decays": True, "kl_reduction": "element_mean"}),
        ("fair_ard", {"count": "correct", "renormalise": False, "unused_forwards": True, "attack_start": "uniform"}),
        ("fair_iad", {"split_trust": False, "hard_labels_at": "adversarial"}),
        ("mtard", {"clean_target": "clean_teacher", "kl_scale": 1.0}),
    ],
)
def test_the_record_holds_a_row_for_each_reading(tiny, written, row):
    told = settings(written, tiny.network(), tiny)
    assert {name: told[name] for name in row} == row


def test_every_hidden_option_exists_and_is_recorded(tiny):
    for name in entries():
        composition = compose(name)
        method = composition.recipe().method
        for part in (method, method.objective):
            assert set(part.hidden_options) <= set(part.Options.model_fields)


def test_momentum_and_padding_are_the_method_s_own_on_every_track():
    for name in ("fair_ard", "fair_rslad", "fair_iad", "fair_mtard", "dafa"):
        assert track_defaults(find_entry(name), None, "schedule") == {"nesterov": True}
    for name in ("pgd_at", "cfa", "fair_tat"):
        assert track_defaults(find_entry(name), "cifar10-prn18", "augmentation") == {"padding_mode": "reflect"}
    assert track_defaults(find_entry("faal"), "cifar10-prn18", "augmentation") == {}


@pytest.mark.parametrize(
    ("written", "attack", "outer"),
    [
        ("pgd_at", 5, 2),
        ("trades", 0, 3),
        ("mart", 0, 2),
        ("friendly_at", 0, 1),
        ("friendly_at?form=trades", 0, 2),
        ("bat", 0, 3),
        ("faal", 0, 2),
        ("faal@trades", 0, 2),
        ("frl", 0, 3),
        ("wat", 0, 2),
        ("cfa", 5, 2),
        ("cfa@trades", 0, 4),
        ("fair_tat", 5, 3),
        ("dafa", 0, 2),
        ("fairly_at", 0, 1),
        ("fairly_at@trades", 0, 2),
        ("rslad", 0, 2),
        ("mtard", 0, 2),
        ("adaad", 0, 2),
        ("ard", 5, 2),
        ("iad", 6, 2),
        ("iad?unused_forwards=false", 5, 2),
    ],
)
def test_statistics_move_as_often_as_in_the_public_code(tiny, seams, written, attack, outer):
    # With five steps in the place of ten.
    network, batch = tiny.bn_network().train(), tiny.batch()
    teacher = tiny.bn_network(seed=3).eval().requires_grad_(False)
    method = tiny.bound(written, network, teachers={"robust": teacher, "clean": teacher})
    views = seams.perturb(method, batch)
    assert int(network[1].num_batches_tracked) == attack
    method.losses(batch, views)
    assert int(network[1].num_batches_tracked) == attack + outer


def test_weight_perturbation_is_as_large_and_as_early_as_each_paper_has_it():
    settings = {name: compose(f"{name}+awp").options["awp"] for name in ("pgd_at", "trades", "faal", "faal@trades")}
    assert settings == {
        "pgd_at": {"gamma": 0.01, "start": 0.0},
        "trades": {"gamma": 0.005, "start": 0.05},
        "faal": {"gamma": 0.005, "start": 0.0},
        "faal@trades": {"gamma": 0.005, "start": 0.0},
    }
