"""The trainer: runs the seams of a method, validates each epoch, keeps the selected weights, resumes."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fairbench.data import TrainingSplits
from fairbench.errors import UsageError, WorkError
from fairbench.files import write_text
from fairbench.models import load_weights, save_weights
from fairbench.progress import Bar, Progress, Silent
from fairbench.protocol.track import Augmentation, Schedule, Selection, TrainingAttack
from fairbench.training.averaging import Averaging
from fairbench.training.awp import Awp
from fairbench.training.feedback import Feedback, HeldOutAttack, HeldOutResult, attack_split
from fairbench.training.loader import EpochLoader
from fairbench.training.method import Method, Part
from fairbench.training.modes import attacking
from fairbench.training.seams import Batch, Clock, Setting
from fairbench.training.seeds import generator_for
from fairbench.training.state import load_state, save_state
from fairbench.training.statistics import EpochStatistics


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train; all of it goes into the record."""

    schedule: Schedule
    augmentation: Augmentation
    attack: TrainingAttack
    selection: Selection
    epsilon: float
    from_scratch: bool
    seed: int


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train: a method with its objective, and the modifiers around its step."""

    method: Method
    awp: Awp | None = None
    averaging: Averaging | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of it; the weights are in the folder."""

    selected_epoch: int
    last_epoch: int
    seconds: float


@dataclass
class _Position:
    """What changes from epoch to epoch besides weights and method state."""

    epoch: int = 0
    best_score: float = -math.inf
    best_epoch: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)


class Trainer:
    """Trains one network with one recipe in one folder.

    Writes ``log.jsonl``, ``model.safetensors`` (selected weights) and ``last.safetensors``; on the way ``resume.pt``
    and ``selected.safetensors``, which are removed at the end. It is given no test data.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        splits: TrainingSplits,
        plan: Plan,
        folder: Path,
        *,
        device: torch.device,
        teachers: Mapping[str, nn.Module] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.recipe, self.plan, self.folder, self.device = recipe, plan, folder, device
        self.progress = progress or Silent()
        self.network = network.to(device).train()
        self.splits, self.num_classes = splits, len(splits.classes)
        self.loader = EpochLoader(splits.train, plan.schedule, plan.augmentation, device)
        self.order = generator_for(plan.seed, "order", device)
        self.noise = generator_for(plan.seed, "attack", device)
        step_size = plan.epsilon * plan.attack.step_fraction
        setting = Setting(
            network=self.network,
            num_classes=self.num_classes,
            epsilon=plan.epsilon,
            step_size=step_size,
            steps=plan.attack.steps,
            epochs=plan.schedule.epochs,
            from_scratch=plan.from_scratch,
            generator=self.noise,
            teachers={role: _frozen(teacher, device) for role, teacher in (teachers or {}).items()},
        )
        self.parts: dict[str, Part] = {"method": recipe.method.bind(setting)}
        for name, part in (("awp", recipe.awp), ("averaging", recipe.averaging)):
            if part is not None:
                self.parts[name] = part.bind(setting)
        schedule = plan.schedule
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=schedule.learning_rate,
            momentum=schedule.momentum,
            weight_decay=schedule.weight_decay,
            nesterov=schedule.nesterov,
        )
        self.feedback = Feedback(self.network, splits.feedback, self.num_classes, self.loader.images_again)
        self.statistics: EpochStatistics | None = None
        self.position = _Position()
        self.selection_attack = HeldOutAttack(
            steps=plan.selection.steps, epsilon=plan.epsilon, step_size=step_size, seed=plan.selection.seed
        )

    def run(self) -> Outcome:
        """Train to the end, from where an interrupted run stopped.

        Raises:
            WorkError: if the loss is not finite; the last good state is kept.
            UsageError: if the saved state is damaged or the folder cannot be written.
        """
        self._resume()
        epochs = self.plan.schedule.epochs
        total = epochs * len(self.loader)
        with self.progress.bar("train", total) as bar:
            bar.advance(self.position.epoch * len(self.loader))
            while self.position.epoch < epochs:
                self._epoch(bar)
        self._finish()
        return Outcome(
            selected_epoch=self.position.best_epoch, last_epoch=self.position.epoch, seconds=self.position.seconds
        )

    def _clock(self, step: int = 0) -> Clock:
        factor = self.plan.schedule.learning_rate_factor(self.position.epoch / max(1, self.plan.schedule.epochs))
        return Clock(
            epoch=self.position.epoch,
            step=step,
            epochs=self.plan.schedule.epochs,
            steps_per_epoch=len(self.loader),
            learning_rate_factor=factor,
        )

    def _epoch(self, bar: Bar) -> None:
        begun = time.perf_counter()
        method, clock = self.recipe.method, self._clock()
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.schedule.learning_rate * clock.learning_rate_factor
        method.start_epoch(self.feedback.at(clock, self.statistics))
        statistics = EpochStatistics(self.num_classes)
        loss_sum, seen = torch.zeros((), device=self.device), 0
        for step, (x, y) in enumerate(self.loader.epoch(self.order)):
            loss_sum += self._step(Batch(x, y, self._clock(step)), statistics) * len(y)
            seen += len(y)
            bar.advance()
        mean_loss = float(loss_sum) / seen
        if not math.isfinite(mean_loss):
            raise WorkError(
                f"the loss of {type(method).__name__} became {mean_loss} in epoch {clock.epoch + 1}; "
                f"the state before it is kept in {self.folder}. Try a smaller step: --set learning_rate=VALUE"
            )
        self.position.epoch += 1
        self.statistics = statistics
        feedback = self.feedback.at(self._clock(), statistics)
        method.end_epoch(feedback)
        note = self.recipe.averaging.end_epoch(feedback) if self.recipe.averaging else None
        validation = self._validate()
        self.position.seconds += time.perf_counter() - begun
        self._log(clock, mean_loss, validation, note)
        self._select()
        self._save()

    def _step(self, batch: Batch, statistics: EpochStatistics) -> Tensor:
        method = self.recipe.method
        with attacking(self.network, method.attack_bn):
            inner = method.prepare(batch)
            views = method.perturb(batch, inner)
        with self._perturbed_weights(lambda: method.losses(batch, views).base_loss(), batch.clock):
            terms = method.losses(batch, views)
            loss = method.combine(terms, method.weigh(terms, batch))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            # The optimiser steps from the perturbed weights: momentum and weight decay see them, as in AWP's code.
            self.optimizer.step()
        statistics.add(terms, views, batch.y)
        return loss.detach()

    def _perturbed_weights(self, base_loss: Any, clock: Clock) -> contextlib.AbstractContextManager[None]:
        awp = self.recipe.awp
        return contextlib.nullcontext() if awp is None else awp.perturbed(self.network, base_loss, clock)

    def _reported(self) -> nn.Module:
        return self.recipe.averaging.reported() if self.recipe.averaging else self.network

    def _validate(self) -> HeldOutResult:
        return attack_split(self._reported(), self.splits.select, self.selection_attack, num_classes=self.num_classes)

    def _log(self, clock: Clock, mean_loss: float, validation: HeldOutResult, note: str | None) -> None:
        robust = validation.adversarial_correct.sum() / validation.total.sum()
        row: dict[str, Any] = {
            "epoch": clock.epoch + 1,
            "learning_rate": self.plan.schedule.learning_rate * clock.learning_rate_factor,
            "loss": mean_loss,
            "seconds": round(self.position.seconds, 3),
            "select_clean_class_accuracy": validation.clean_accuracy.tolist(),
            "select_pgd_class_accuracy": validation.adversarial_accuracy.tolist(),
            "select_score": float(robust + validation.adversarial_accuracy.min()) / 2,
        }
        if self.statistics is not None:
            row |= {name: value.tolist() for name, value in self.statistics.log_entries().items()}
        row |= {name: value.tolist() for name, value in self.recipe.method.diagnostics().items()}
        if note:
            row["note"] = note
            self.progress.say(note)
        self.position.rows.append(row)

    def _select(self) -> None:
        score = self.position.rows[-1]["select_score"]
        is_best = score > self.position.best_score
        if self.plan.selection.rule == "last" or is_best:
            self.position.best_score, self.position.best_epoch = score, self.position.epoch
            save_weights(self._reported(), self.folder / "selected.safetensors")

    def _save(self) -> None:
        state = {
            "position": json.dumps(asdict(self.position)),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "generators": {"order": self.order.get_state(), "noise": self.noise.get_state()},
            "statistics": self.statistics.state_dict() if self.statistics else {},
        }
        save_state(self.folder / "resume.pt", state)
        self._write_log()

    def _write_log(self) -> None:
        write_text(self.folder / "log.jsonl", "".join(json.dumps(row) + "\n" for row in self.position.rows))

    def _resume(self) -> None:
        path = self.folder / "resume.pt"
        if not path.exists():
            return
        state = load_state(path)
        try:
            self._restore(state)
        except (AttributeError, KeyError, RuntimeError, TypeError, UsageError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise UsageError(f"{path} is not the state of this run ({reason:.80}); start over with --fresh") from None
        self.progress.say(f"resuming after epoch {self.position.epoch} of {self.plan.schedule.epochs}")

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.position = _Position(**json.loads(state["position"]))
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        self.order.set_state(state["generators"]["order"])
        self.noise.set_state(state["generators"]["noise"])
        statistics = {name: value.to(self.device) for name, value in state["statistics"].items()}
        self.statistics = EpochStatistics.from_state_dict(self.num_classes, statistics)

    def _finish(self) -> None:
        last = copy.deepcopy(self._reported())
        selected = copy.deepcopy(last)
        if self.position.epoch and self.plan.selection.rule == "select":
            load_weights(selected, self.folder / "selected.safetensors")
        for network, name in ((last, "last.safetensors"), (selected, "model.safetensors")):
            self.recipe.method.finish(network)
            save_weights(network, self.folder / name)
        self._write_log()
        for leftover in ("resume.pt", "selected.safetensors"):
            (self.folder / leftover).unlink(missing_ok=True)


def _frozen(teacher: nn.Module, device: torch.device) -> nn.Module:
    return teacher.to(device).eval().requires_grad_(False)
