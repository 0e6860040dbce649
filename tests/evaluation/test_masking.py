from pathlib import Path

import fairbench.bases
import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from benchmarks.planted_defences import (
    GradientKiller,
    InputNoise,
    InputQuantiser,
    LogitTemperature,
    OneClassKilled,
    OneClassMasked,
    WinnersTakeAll,
    fitted,
    plain_network,
)
from fairbench.data import load_dataset, to_unit
from fairbench.evaluation.masking import ProbeOutcomes, judge
from fairbench.evaluation.probes import probe_masking
from fairbench.launch.cells import Request, resolve
from fairbench.launch.run import data_loader, run_cell
from fairbench.models import create_model, load_weights, normalisation_of
from fairbench.protocol.attack_checks import AttackChecks
from fairbench.protocol.masking import ACCIDENTAL_SHARE, FALSE_ALARMS, marked_classes

EPSILON = 0.2
LABELS = np.repeat([0, 1], 20)
PROBES = ("fgsm", "pgd", "pgd_last", "cw", "square", "large_epsilon", "transfer")


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def plain(data):
    return fitted(plain_network(), to_unit(data.train.images), data.train.labels)


def signs(verdict):
    return {sign.name: sign.classes for sign in verdict.signs if sign.classes}


def test_a_plain_network_hides_nothing_however_weak_it_is(data, plain):
    verdict = probe_masking(plain, data, EPSILON)
    assert not verdict.flagged
    assert verdict.signs[0].name == "zero_gradient"
    assert verdict.in_words(list(data.classes)) == ""


@pytest.mark.parametrize(
    ("defence", "sign"),
    [
        (GradientKiller, "zero_gradient"),
        (InputNoise, "randomised"),
        pytest.param(InputQuantiser, "zero_gradient", marks=pytest.mark.prove),
        pytest.param(LogitTemperature, "zero_gradient", marks=pytest.mark.prove),
    ],
)
def test_a_masked_network_is_flagged_in_every_class(data, plain, defence, sign):
    verdict = probe_masking(defence(plain), data, EPSILON)
    assert verdict.flagged
    assert signs(verdict)[sign] == verdict.classes == list(range(10))


@pytest.mark.prove
@pytest.mark.parametrize(
    ("defence", "expected"),
    [(OneClassMasked, {"black_box", "transfer"}), (OneClassKilled, {"zero_gradient", "black_box", "transfer"})],
)
def test_one_masked_class_is_flagged_alone(data, plain, defence, expected):
    verdict = probe_masking(defence(plain, 3), data, EPSILON)
    assert verdict.classes == [3]
    assert expected <= set(signs(verdict))
    assert "(3)" in verdict.in_words([str(c) for c in range(10)])


@pytest.mark.prove
def test_winners_take_all_is_flagged(data):
    x, y = to_unit(data.train.images), data.train.labels
    network = fitted(plain_network(WinnersTakeAll), x, y, epsilon=EPSILON)
    assert "more_steps" in signs(probe_masking(network, data, EPSILON))


@pytest.mark.parametrize("base", ["pgd_at", pytest.param("trades", marks=pytest.mark.prove)])
def test_robust_networks_are_not_flagged(data, base):
    mean, deviation = normalisation_of("digits") or (None, None)
    network = create_model("cnn_tiny", num_classes=10, image_shape=data.image_shape, mean=mean, std=deviation)
    load_weights(network, Path(fairbench.bases.__path__[0]) / "digits" / f"{base}.safetensors")
    verdict = probe_masking(network, data, EPSILON)
    assert not verdict.flagged
    assert all(max(sign.counted) <= 1 for sign in verdict.signs)


@pytest.mark.prove
@pytest.mark.parametrize("method", ["pgd_at", "trades", "faal"])
def test_what_methods_train_on_the_digits_is_not_flagged_at_three_seeds(tmp_path, method):
    overrides = {"battery.conditions": "[clean, pgd20]"}
    cells = resolve(Request(methods=[method], tracks=["digits"], seeds=[0, 1, 2], out=tmp_path, overrides=overrides))
    records = [run_cell(cell, data_loader(None), torch.device("cpu")) for cell in cells]
    assert [record.masking.classes for record in records] == [[]] * 3


def test_the_verdict_is_the_same_twice_and_the_model_is_given_back(data, plain):
    noisy = InputNoise(plain).train()
    state = torch.random.get_rng_state()
    one, two = (probe_masking(noisy, data.test, EPSILON) for _ in range(2))
    assert one.signs == two.signs
    assert noisy.training
    assert torch.equal(state, torch.random.get_rng_state())
    assert one.not_probed == {"transfer": "no training images were given for a plain network"}


def outcomes(**flags):
    """Probes fool everything but those named, which fool the images at these positions; PGD into the other class."""
    fooled = {name: np.ones(40, dtype=bool) for name in PROBES}
    values = {"gradient_is_zero": np.zeros(40, dtype=bool), "differs": np.zeros(40, dtype=bool)}
    for name, positions in flags.items():
        target = np.isin(np.arange(40), list(positions))
        (fooled if name in PROBES else values)[name] = target
    reached = np.where(fooled["pgd"], 1 - LABELS, LABELS)
    return ProbeOutcomes(labels=LABELS, num_classes=2, fooled=fooled, reached=reached, **values)


NO_WHITE_BOX = {"fgsm": [], "pgd": [], "cw": []}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, {}),
        ({"gradient_is_zero": range(4)}, {"zero_gradient": [0]}),
        ({"gradient_is_zero": range(2)}, {}),
        ({"pgd_last": range(2, 40)}, {}),
        ({**NO_WHITE_BOX, "transfer": [], "square": range(20, 24)}, {"black_box": [1]}),
        ({**NO_WHITE_BOX, "pgd": [0, 1, 2], "transfer": [], "square": range(3, 7)}, {}),
        ({**NO_WHITE_BOX, "square": [], "transfer": range(4)}, {"transfer": [0]}),
        ({"large_epsilon": range(4, 40)}, {"large_epsilon": [0]}),
        ({"pgd": range(5, 40)}, {"one_step": [0]}),
        ({"differs": range(18, 40)}, {"randomised": [1]}),
    ],
)
def test_each_sign_is_counted_by_class(flags, expected):
    assert signs(judge(outcomes(**flags), settings={})) == expected


def test_where_pgd_is_led_out_again_it_counts_for_the_class_that_it_had_reached():
    verdict = judge(outcomes(fgsm=range(10, 40), pgd=range(10, 40), pgd_last=range(34)), settings={})
    assert signs(verdict) == {"more_steps": [0]}
    (sign,) = [one for one in verdict.signs if one.name == "more_steps"]
    assert (sign.counted, sign.images) == ([6, 0], [20, 10])


@pytest.mark.parametrize(("total", "num_classes"), [(20, 10), (20, 100), (5, 10), (1000, 10)])
def test_a_class_is_marked_by_an_exact_binomial_test(total, num_classes):
    counts = np.arange(total + 1)
    p_values = np.array([binomtest(int(k), total, ACCIDENTAL_SHARE, alternative="greater").pvalue for k in counts])
    others = num_classes - 1
    marked = [marked_classes([int(k)] + [0] * others, [total] * num_classes) == [0] for k in counts]
    assert marked == list(p_values <= FALSE_ALARMS / (7 * num_classes))
    assert marked_classes([0], [0]) == []


def test_zero_gradients_that_autoattack_saw_count_too():
    seen = {"gradient_seen": [100, 100], "gradient_zero": [0, 20]}
    checks = AttackChecks(
        randomised=False,
        dynamic=False,
        probabilities=False,
        lowest_logit=-1,
        highest_logit=1,
        attacked={},
        broken={},
        square_better=None,
        farthest=0.1,
        passes={},
        **seen,
    )
    assert signs(judge(outcomes(), settings={}, checks=checks)) == {"zero_gradient": [1]}
