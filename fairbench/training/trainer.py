"""The trainer: runs the steps of a method, validates each epoch, keeps the selected weights, saves and resumes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fairbench.data import TrainingSplits
from fairbench.errors import UsageError, WorkError
from fairbench.progress import Bar, Progress, Silent
from fairbench.training.epoch import EpochUnderWay, Losses
from fairbench.training.feedback import Feedback, HeldOutResult
from fairbench.training.folder import RunFolder
from fairbench.training.interruption import Interruption, StoppedError, noticing_signals
from fairbench.training.loader import EpochLoader
from fairbench.training.method import Part
from fairbench.training.numerics import Numerics, choose_numerics
from fairbench.training.passes import Passes
from fairbench.training.plan import Outcome, Plan, Recipe
from fairbench.training.position import Position
from fairbench.training.seams import Batch, Clock, Setting
from fairbench.training.seeds import generator_for
from fairbench.training.snapshot import Moment, Snapshot
from fairbench.training.statistics import EpochStatistics
from fairbench.training.step import TrainingStep
from fairbench.training.validation import Validation, log_row

SAVE_SECONDS = 600.0
"""between two saved states; every epoch is saved besides."""
CHECK_STEPS = 50
"""between two looks at the losses; on a GPU a look waits for the device."""


class Trainer:
    """Trains one network with one recipe in one folder.

    Writes ``log.jsonl``, ``model.safetensors`` (selected weights) and ``last.safetensors``; on the way its states
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
        peek: Callable[[nn.Module], dict[str, float]] | None = None,
        progress: Progress | None = None,
        save_seconds: float = SAVE_SECONDS,
    ) -> None:
        self.recipe, self.plan, self.folder, self.device = recipe, plan, RunFolder(folder), device
        self.progress, self.save_seconds = progress or Silent(), save_seconds
        self.network, self.peek = network.to(device).train(), peek
        self.splits, self.num_classes = splits, len(splits.classes)
        self.loader = EpochLoader(splits.train, plan.schedule, plan.augmentation, device)
        self.order = generator_for(plan.seed, "order", device)
        self.noise = generator_for(plan.seed, "attack", device)
        self.parts = self._bound_parts(teachers or {})
        self.optimizer = _optimizer(self.network, plan)
        self.snapshot = Snapshot(
            network=self.network,
            optimizer=self.optimizer,
            parts=self.parts,
            generators={"order": self.order, "noise": self.noise},
            num_classes=self.num_classes,
            device=device,
        )
        self.statistics: EpochStatistics | None = None
        self.under_way: EpochUnderWay | None = None
        self.position = Position()
        self._compute_with(choose_numerics(plan, self.network, splits.train, device))
        self._counted_until = self._saved_at = time.monotonic()

    def run(self) -> Outcome:
        """Train to the end, from where an interrupted run stopped.

        Raises:
            WorkError: if the loss is not finite; the last good state is kept.
            StoppedError: if a signal asked for it; the state is saved.
            UsageError: if the saved states are damaged or the folder cannot be written.
        """
        self._resume()
        epochs, length = self.plan.schedule.epochs, len(self.loader)
        self._counted_until = self._saved_at = time.monotonic()
        with self.progress.bar("train", epochs * length) as bar, noticing_signals() as interruption:
            bar.advance(self.position.epoch * length + self.position.step)
            while self.position.epoch < epochs:
                self._epoch(bar, interruption)
                self._leave_if_asked(interruption)
        self._finish()
        return Outcome(
            selected_epoch=self.position.best_epoch,
            last_epoch=self.position.epoch,
            seconds=self.position.seconds,
            precision=self.numerics.precision,
            compiled=self.passes.is_compiled,
        )

    def _compute_with(self, numerics: Numerics) -> None:
        self.numerics = numerics
        self.passes = Passes(self.network, numerics, example=self.loader.example(), say=self.progress.say)
        self.step = TrainingStep(self.recipe, self.network, self.optimizer, self.passes)
        again, dtype = self.loader.images_again, numerics.attack
        self.feedback = Feedback(self.network, self.splits.feedback, self.num_classes, again, dtype)
        self.validation = Validation(self.splits.select, self.num_classes, self.plan, dtype)

    def _bound_parts(self, teachers: Mapping[str, nn.Module]) -> dict[str, Part]:
        plan = self.plan
        setting = Setting(
            network=self.network,
            num_classes=self.num_classes,
            epsilon=plan.epsilon,
            step_size=plan.step_size,
            steps=plan.attack.steps,
            epochs=plan.schedule.epochs,
            from_scratch=plan.from_scratch,
            generator=self.noise,
            teachers={role: _frozen(teacher, self.device) for role, teacher in teachers.items()},
        )
        parts: dict[str, Part] = {"method": self.recipe.method.bind(setting)}
        for name, part in (("awp", self.recipe.awp), ("averaging", self.recipe.averaging)):
            if part is not None:
                parts[name] = part.bind(setting)
        return parts

    def _clock(self) -> Clock:
        position, schedule = self.position, self.plan.schedule
        return Clock(
            epoch=position.epoch,
            step=position.step,
            epochs=schedule.epochs,
            steps_per_epoch=len(self.loader),
            learning_rate_factor=schedule.learning_rate_factor(position.epoch / max(1, schedule.epochs)),
        )

    def _epoch(self, bar: Bar, interruption: Interruption) -> None:
        under_way = self.under_way = self.under_way or self._begin_epoch()
        batches = self.loader.batches(under_way.order, self.order, first=self.position.step)
        for x, y in batches:
            loss = self.step(Batch(x, y, self._clock()), under_way.statistics)
            under_way.losses.add(loss, len(y), self.position.step)
            self.position.step += 1
            bar.advance()
            if self.position.step % CHECK_STEPS == 0:
                self._check_losses()
            if self.position.step < len(self.loader):
                self._save_if_due(interruption)
        self._end_epoch(under_way)

    def _begin_epoch(self) -> EpochUnderWay:
        clock = self._clock()
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.schedule.learning_rate * clock.learning_rate_factor
        self.recipe.method.start_epoch(self.feedback.at(clock, self.statistics))
        return EpochUnderWay(
            self.loader.draw_order(self.order), EpochStatistics(self.num_classes), Losses.none_yet(self.device)
        )

    def _end_epoch(self, under_way: EpochUnderWay) -> None:
        self._check_losses()
        rate = self.optimizer.param_groups[0]["lr"]
        self.position.epoch, self.position.step = self.position.epoch + 1, 0
        self.statistics, self.under_way = under_way.statistics, None
        feedback = self.feedback.at(self._clock(), self.statistics)
        self.recipe.method.end_epoch(feedback)
        note = self.recipe.averaging.end_epoch(feedback) if self.recipe.averaging else None
        validation = self._validate()
        self._count_seconds()
        self._log(rate, under_way.losses.mean, validation, note)
        self._select()
        self._save()

    def _check_losses(self) -> None:
        bad = self.under_way and self.under_way.losses.first_not_finite()
        if bad:
            step, value = bad
            raise WorkError(
                f"the loss of {self.recipe.name} became {value} in epoch {self.position.epoch + 1}, step {step + 1}; "
                f"the last good state is kept in {self.folder.path}. Try a smaller step: --set learning_rate=VALUE"
            )

    def _save_if_due(self, interruption: Interruption) -> None:
        is_due = time.monotonic() - self._saved_at >= self.save_seconds
        if is_due or interruption.signum is not None:
            self._check_losses()
            self._count_seconds()
            self._save()
        self._leave_if_asked(interruption)

    def _leave_if_asked(self, interruption: Interruption) -> None:
        if interruption.signum is not None:
            raise StoppedError(
                interruption.signum,
                f"stopped by {interruption.name} after epoch {self.position.epoch}, step {self.position.step}; "
                f"the state is saved in {self.folder.path}, the same command goes on from there",
            )

    def _reported(self) -> nn.Module:
        return self.recipe.averaging.reported() if self.recipe.averaging else self.network

    def _validate(self) -> HeldOutResult:
        return self.validation(self._reported())

    def _count_seconds(self) -> None:
        now = time.monotonic()
        self.position.seconds += now - self._counted_until
        self._counted_until = now

    def _log(self, rate: float, mean_loss: float, validation: HeldOutResult, note: str | None) -> None:
        position = self.position
        row: dict[str, Any] = {
            "epoch": position.epoch,
            "learning_rate": rate,
            "loss": mean_loss,
            "seconds": round(position.seconds, 3),
            **log_row(validation),
        }
        seen = self.statistics.log_entries() if self.statistics else {}
        row |= {name: value.tolist() for name, value in (seen | dict(self.recipe.method.diagnostics())).items()}
        row |= self.peek(self._reported()) if self.peek is not None else {}
        if note:
            row["note"] = note
            self.progress.say(note)
        position.rows.append(row)

    def _select(self) -> None:
        if self.position.take(self.plan.selection.rule):
            self.folder.keep_selected(self._reported())

    def _save(self) -> None:
        moment = Moment(position=self.position, statistics=self.statistics, under_way=self.under_way)
        state = self.snapshot.take(moment) | {"numerics": self.numerics.state_dict()}
        self.folder.save(state, self.position.log())
        self._saved_at = time.monotonic()

    def _resume(self) -> None:
        state, note = self.folder.newest_state()
        if state is None:
            return
        try:
            # A run goes on as it began, whatever would be chosen here and now.
            self._compute_with(Numerics.from_state_dict(state["numerics"]))
            moment = self.snapshot.restore(state)
        except (AttributeError, KeyError, RuntimeError, TypeError, UsageError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            place = self.folder.state
            raise UsageError(f"{place} is not the state of this run ({reason:.80}); start over with --fresh") from None
        self.position, self.statistics, self.under_way = moment.position, moment.statistics, moment.under_way
        if note:
            self.progress.say(note)
        step = f", step {self.position.step}" if self.position.step else ""
        self.progress.say(f"resuming after epoch {self.position.epoch} of {self.plan.schedule.epochs}{step}")

    def _finish(self) -> None:
        has_selected = self.position.epoch > 0 and self.plan.selection.rule != "last"
        self.folder.finish(self.recipe.method, self._reported(), has_selected=has_selected, log=self.position.log())


def _optimizer(network: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    schedule = plan.schedule
    return torch.optim.SGD(
        network.parameters(),
        lr=schedule.learning_rate,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        nesterov=schedule.nesterov,
    )


def _frozen(teacher: nn.Module, device: torch.device) -> nn.Module:
    return teacher.to(device).eval().requires_grad_(False)
