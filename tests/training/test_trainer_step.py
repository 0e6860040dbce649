"""One step of the trainer, seen from inside a method."""

import pytest
import torch

from fairbench.compose import compose
from fairbench.models import create_model
from fairbench.training.awp import Awp
from fairbench.training.method import Method
from fairbench.training.plan import Recipe
from fairbench.training.seams import Views
from fairbench.training.trainer import Trainer

GAMMA = 0.03


class Spy(Method):
    """Writes down how it finds the network at each seam; its weights are nothing like uniform."""

    def reset(self):
        self.seen = []

    def note(self, seam, **more):
        weights = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        modes = {module.training for module in self.network.modules()}
        wanting = {parameter.requires_grad for parameter in self.network.parameters()}
        self.seen.append({"seam": seam, "weights": weights, "modes": modes, "wanting": wanting} | more)

    def prepare(self, batch):
        self.note("prepare")
        return super().prepare(batch)

    def perturb(self, batch, inner):
        self.note("perturb")
        views = super().perturb(batch, inner)
        assert all(parameter.grad is None for parameter in self.network.parameters()) or batch.clock.step > 0
        return views

    def losses(self, batch, views):
        self.note("losses", batch=batch, views=views)
        return super().losses(batch, views)

    def weigh(self, terms, batch):
        self.note("weigh")
        first = torch.zeros(len(batch.y))
        first[0] = 50.0
        return {name: coefficient * first for name, coefficient in terms.coefficients.items()}

    def combine(self, terms, weights):
        self.note("combine")
        return super().combine(terms, weights)


@pytest.fixture
def spy(tiny, digit_splits, tmp_path):
    def run(objective="trades", *, gamma=None, attack_bn=None):
        method = Spy(Spy.Options(attack_bn=attack_bn), compose(objective).recipe().method.objective)
        Trainer(
            Recipe(method=method, awp=None if gamma is None else Awp(Awp.Options(gamma=gamma))),
            create_model("cnn_tiny", image_shape=(1, 8, 8), seed=0),
            digit_splits,
            tiny.plan(epochs=1, steps_per_epoch=2, momentum=0.0, weight_decay=0.0),
            tmp_path,
            device=torch.device("cpu"),
        ).run()
        return method

    return run


def test_the_seams_come_in_the_order_of_the_design(spy):
    step = ["prepare", "perturb", "losses", "weigh", "combine"]
    assert [each["seam"] for each in spy().seen] == 2 * step
    step.insert(2, "losses")  # the unweighted objective, for the perturbation of the weights
    assert [each["seam"] for each in spy(gamma=GAMMA).seen] == 2 * step


@pytest.mark.parametrize(
    ("objective", "attack_bn", "training"),
    [("trades", None, False), ("pgd_at", None, True), ("pgd_at", "eval", False), ("trades", "train", True)],
)
def test_the_attack_runs_in_its_mode_without_parameters_and_the_losses_in_train_mode_with_them(
    spy, objective, attack_bn, training
):
    for each in spy(objective, attack_bn=attack_bn).seen:
        if each["seam"] in ("prepare", "perturb"):
            assert (each["modes"], each["wanting"]) == ({training}, {False})
        else:
            assert (each["modes"], each["wanting"]) == ({True}, {True})


def base_gradient(method, note):
    """The gradient of the objective without class weights, at the weights that were noted."""
    network = create_model("cnn_tiny", image_shape=(1, 8, 8)).train()
    network.load_state_dict(note["weights"])
    objective = type(method.objective)(method.objective.options)
    objective.setting = type(method.setting)(**vars(method.setting) | {"network": network})
    loss = objective.losses(note["batch"], Views(note["views"].x)).base_loss()
    names = [name for name, _ in network.named_parameters()]
    return dict(zip(names, torch.autograd.grad(loss, list(network.parameters())), strict=True))


def test_the_weights_are_perturbed_along_the_gradient_of_the_unweighted_objective(spy):
    method = spy(gamma=GAMMA)
    before, inside = [each for each in method.seen if each["seam"] == "losses"][:2]
    gradients = base_gradient(method, before)
    for name in ("conv1.weight", "hidden.weight", "linear.weight"):
        weight, gradient = before["weights"][name], gradients[name]
        expected = weight + GAMMA * weight.norm() * gradient / gradient.norm()
        torch.testing.assert_close(inside["weights"][name], expected, rtol=0, atol=1e-5)
    assert torch.equal(inside["weights"]["linear.bias"], before["weights"]["linear.bias"])


def test_the_optimiser_steps_with_the_weighted_loss_at_the_perturbed_weights_and_the_perturbation_is_undone(spy):
    method = spy(gamma=GAMMA)
    before, inside, after = [each for each in method.seen if each["seam"] == "losses"][:3]
    network = create_model("cnn_tiny", image_shape=(1, 8, 8)).train()
    network.load_state_dict(inside["weights"])
    setting = type(method.setting)(**vars(method.setting) | {"network": network})
    again = Spy(method.options, type(method.objective)(method.objective.options)).bind(setting)
    terms = again.losses(inside["batch"], inside["views"])
    loss = again.combine(terms, again.weigh(terms, inside["batch"]))
    names = [name for name, _ in network.named_parameters()]
    for name, gradient in zip(names, torch.autograd.grad(loss, list(network.parameters())), strict=True):
        # Without momentum and decay a step of SGD is the learning rate times the gradient.
        expected = before["weights"][name] - 0.02 * gradient
        torch.testing.assert_close(after["weights"][name], expected, rtol=0, atol=1e-5)
