"""The two roles that compose: an objective owns attack and loss, a method owns the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from fairbench.errors import UsageError
from fairbench.protocol.schema import Schema
from fairbench.training.feedback import Feedback
from fairbench.training.modes import has_statistics
from fairbench.training.seams import Batch, BatchNormMode, Inner, Setting, Terms, Views


class Part:
    """Options that are checked, a setting that is bound once, and state that survives a restart."""

    class Options(Schema):
        """No options."""

    state_names: ClassVar[tuple[str, ...]] = ()
    """attributes, tensors all, that change during training."""
    hidden_options: ClassVar[tuple[str, ...]] = ()
    """options in which published codes differ in silence from each other or from their papers."""

    setting: Setting
    options: Any
    """an instance of the part's own ``Options``; a part narrows the annotation."""

    def __init__(self, options: Any = None) -> None:
        self.options = options if options is not None else self.Options()

    def hidden_settings(self) -> dict[str, Any]:
        """What differs in silence between published codes, for the record."""
        return {name: getattr(self.options, name) for name in self.hidden_options}

    def bind(self, setting: Setting) -> Self:
        """Give the part its network, radius and generator, and its state its first value."""
        self.setting = setting
        self.reset()
        return self

    def reset(self) -> None:
        """Set the state to its value before the first epoch."""

    def per_class(self, value: float) -> Tensor:
        """A (K,) float tensor of one value on the device of the network."""
        device = next(self.setting.network.parameters()).device
        return torch.full((self.setting.num_classes,), value, device=device)

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of the state, by attribute name."""
        return {name: getattr(self, name).clone() for name in self.state_names}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take the state up again.

        Raises:
            UsageError: if the names differ from this part's.
        """
        if set(state) != set(self.state_names):
            raise UsageError(
                f"saved state holds {sorted(state)}, {type(self).__name__} keeps {sorted(self.state_names)}"
            )
        for name in self.state_names:
            setattr(self, name, state[name].to(getattr(self, name).device).clone())


class Objective(Part):
    """Attack, per-sample losses and how they combine: AT, TRADES, MART, distillation."""

    attack_bn: ClassVar[BatchNormMode] = "eval"
    """mode of the batch norms while attacking, as the public code has it; train also moves their statistics."""
    extra_clean_forwards: ClassVar[int] = 0
    """how often the public code passes the clean images in train mode beyond what its loss needs."""
    attack_name: ClassVar[str] = ""
    """what the record calls the inner attack."""
    is_regularised: ClassVar[bool] = False
    """whether a boundary term stands beside the natural one, as in TRADES."""
    is_adversarial: ClassVar[bool] = True
    """whether there is an attack at all."""
    has_teacher: ClassVar[bool] = False
    """whether labels come from a teacher."""

    def prepare(self, batch: Batch) -> Inner:
        """Radius, step and targets for this batch; by default those of the track."""
        return Inner(epsilon=self.setting.epsilon, step_size=self.setting.step_size)

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """The inner maximisation."""
        raise NotImplementedError

    def losses(self, batch: Batch, views: Views) -> Terms:
        """The per-sample terms from the train-mode forward."""
        raise NotImplementedError

    def combine(self, terms: Terms, weights: Mapping[str, Tensor]) -> Tensor:
        """The scalar that is minimised: the sum over terms of the mean weighted term."""
        parts = [(weights[name] * values).mean() for name, values in terms.per_sample.items()]
        return torch.stack(parts).sum()


class Method(Part):
    """A fairness method on top of an objective; this base class changes nothing."""

    class Options(Part.Options):
        """Options that every method has."""

        attack_bn: BatchNormMode | None = None
        """None is what the public code of the method, or else of the objective, does."""
        extra_clean_forwards: int | None = Field(default=None, ge=0)
        """passes of the clean images in train mode that only move batch-norm statistics; None is as in that code."""

    objective: Objective
    default_modifiers: ClassVar[tuple[str, ...]] = ()
    """modifiers that belong to the method; naming any in the written form replaces them."""

    def __init__(self, options: Any = None, objective: Objective | None = None) -> None:
        super().__init__(options)
        if objective is not None:
            self.objective = objective

    def bind(self, setting: Setting) -> Self:
        """Bind the objective, then the method itself."""
        self.objective.bind(setting)
        return super().bind(setting)

    @property
    def network(self) -> nn.Module:
        """The network in training."""
        return self.setting.network

    @property
    def attack_bn(self) -> BatchNormMode:
        """The mode of the batch norms during the attack."""
        return self.options.attack_bn or self.published_attack_bn()

    @property
    def attack_name(self) -> str:
        """What the record calls the inner attack."""
        return self.objective.attack_name

    def hidden_settings(self) -> dict[str, Any]:
        """The method's and the objective's, and what happens to the batch norms."""
        batch_norms = {"attack_bn": self.attack_bn, "extra_clean_forwards": self.extra_clean_forwards}
        return self.objective.hidden_settings() | super().hidden_settings() | batch_norms

    def published_attack_bn(self) -> BatchNormMode:
        """The mode in the public code."""
        return self.objective.attack_bn

    @property
    def extra_clean_forwards(self) -> int:
        """How often the clean images pass once more in each step."""
        chosen = self.options.extra_clean_forwards
        return self.published_extra_clean_forwards() if chosen is None else chosen

    def published_extra_clean_forwards(self) -> int:
        """How often in the public code."""
        return self.objective.extra_clean_forwards

    def start_epoch(self, feedback: Feedback) -> None:
        """Look back before an epoch."""

    def prepare(self, batch: Batch) -> Inner:
        """What the inner maximisation is asked to do."""
        return self.objective.prepare(batch)

    def perturb(self, batch: Batch, inner: Inner) -> Views:
        """The inner maximisation; the objective's unless the paper replaces it."""
        return self.objective.perturb(batch, inner)

    def losses(self, batch: Batch, views: Views) -> Terms:
        """The per-sample terms; then the passes that only move batch-norm statistics.

        Some codes make these after the step, at weights that are one step newer.
        """
        terms = self.objective.losses(batch, views)
        if has_statistics(self.network):
            with torch.no_grad():
                for _ in range(self.extra_clean_forwards):
                    self.network(batch.x)
        return terms

    def weigh(self, terms: Terms, batch: Batch) -> dict[str, Tensor]:
        """The weights of each term, (B,) or scalar, coefficients included."""
        # Filled on the device: a copy from the host would wait for it.
        return {name: torch.full((), value, device=batch.y.device) for name, value in terms.coefficients.items()}

    def combine(self, terms: Terms, weights: Mapping[str, Tensor]) -> Tensor:
        """The scalar that is minimised."""
        return self.objective.combine(terms, weights)

    def end_epoch(self, feedback: Feedback) -> None:
        """Look back after an epoch."""

    def finish(self, network: nn.Module) -> None:
        """Last work on the trained weights."""

    def diagnostics(self) -> Mapping[str, Tensor]:
        """What the paper plots, name -> (K,) or scalar; written to the log after each epoch."""
        return {}

    def state_dict(self) -> dict[str, Tensor]:
        """The state of method and objective."""
        return super().state_dict() | {f"objective.{k}": v for k, v in self.objective.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up the state of method and objective."""
        prefix = "objective."
        self.objective.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        super().load_state_dict({k: v for k, v in state.items() if not k.startswith(prefix)})
