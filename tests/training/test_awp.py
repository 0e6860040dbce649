"""Adversarial weight perturbation: its size, its direction, and that nothing of it stays."""

import copy

import pytest
import torch

from fairbench.losses import cross_entropy
from fairbench.training.awp import Awp

GAMMA = 0.05


@pytest.fixture
def network(tiny):
    return tiny.bn_network().train()


def objective(network, batch):
    return lambda: cross_entropy(network(batch.x), batch.y).mean()


def weights(network):
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def perturbed_weights(network, batch, clock, **options):
    with Awp(Awp.Options(gamma=GAMMA, **options)).perturbed(network, objective(network, batch), clock):
        return weights(network)


def test_each_kernel_moves_by_gamma_times_its_norm_along_its_gradient_and_nothing_else_moves(tiny, network):
    batch, before = tiny.batch(), weights(network)
    loss = objective(network, batch)()
    gradients = dict(zip(before, torch.autograd.grad(loss, list(network.parameters())), strict=True))
    inside = perturbed_weights(network, batch, batch.clock)
    for name, value in before.items():
        shift = inside[name] - value
        if name in ("0.weight", "4.weight"):
            assert float(shift.norm()) == pytest.approx(GAMMA * float(value.norm()), rel=1e-4)
            direction = gradients[name] / gradients[name].norm()
            torch.testing.assert_close(shift / shift.norm(), direction, rtol=0, atol=1e-3)
        else:
            assert torch.equal(inside[name], value), name


def test_the_weights_come_back_to_rounding_also_after_an_error(tiny, network):
    before = weights(network)
    perturbed_weights(network, tiny.batch(), tiny.clock())
    for name, value in weights(network).items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=1e-6)
    awp = Awp(Awp.Options(gamma=GAMMA))
    with (
        pytest.raises(ZeroDivisionError),
        awp.perturbed(network, objective(network, tiny.batch()), tiny.clock()),
    ):
        raise ZeroDivisionError
    for name, value in weights(network).items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=1e-6)


def test_the_objective_does_not_fall_at_the_perturbed_weights(tiny, network):
    for seed in range(5):
        batch = tiny.batch(seed=seed)
        loss = objective(network, batch)
        before = loss().detach()
        with Awp(Awp.Options(gamma=0.005)).perturbed(network, loss, batch.clock):
            assert loss().detach() > before


def test_batch_norm_statistics_of_the_proxy_are_thrown_away(tiny, network):
    before = copy.deepcopy(dict(network.named_buffers()))
    perturbed_weights(network, tiny.batch(), tiny.clock())
    for name, value in network.named_buffers():
        assert torch.equal(value, before[name]), name


def test_no_gradient_is_left_in_the_parameters(tiny, network):
    perturbed_weights(network, tiny.batch(), tiny.clock())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def test_nothing_moves_before_the_start_or_without_gamma(tiny, network):
    before = weights(network)

    def moves(epoch, step, **options):
        clock = tiny.clock(epoch=epoch, step=step, epochs=4)
        inside = perturbed_weights(network, tiny.batch(), clock, **options)
        return not all(torch.allclose(inside[name], before[name], atol=1e-5) for name in before)

    assert not moves(1, 1, start=0.5)
    assert moves(2, 0, start=0.5)
    assert moves(0, 0)
    calls, before = [], weights(network)
    with Awp(Awp.Options(gamma=0)).perturbed(network, lambda: calls.append(1), tiny.clock()):
        assert all(torch.equal(value, network.get_parameter(name)) for name, value in before.items())
    assert not calls


def test_a_step_inside_is_kept(tiny, network):
    before = network.get_parameter("4.bias").detach().clone()
    batch = tiny.batch()
    with Awp(Awp.Options(gamma=GAMMA)).perturbed(network, objective(network, batch), batch.clock), torch.no_grad():
        network.get_parameter("4.bias").add_(1)
        network.get_parameter("4.weight").add_(1)
    torch.testing.assert_close(network.get_parameter("4.bias"), before + 1)
    assert network.get_parameter("4.weight").mean() > 0.9


def test_a_kernel_that_no_forward_uses_stays_where_it_is(tiny, network):
    network[0].register_module("unused", torch.nn.Linear(3, 3))
    before = weights(network)
    inside = perturbed_weights(network, tiny.batch(), tiny.clock())
    assert torch.equal(inside["0.unused.weight"], before["0.unused.weight"])
    assert not torch.equal(inside["4.weight"], before["4.weight"])
