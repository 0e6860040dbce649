"""What the outer forward saw during an epoch, class by class, gathered on the device."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from fairbench.losses import class_counts, class_sums, cross_entropy
from fairbench.training.seams import Terms, Views


@dataclass
class ViewStatistics:
    """Sums over one view of the training images, before each step; (K,) or (K, K) float, rows by true class."""

    confusion: Tensor
    cross_entropy: Tensor
    softmax: Tensor

    @classmethod
    def empty(cls, num_classes: int, device: torch.device) -> Self:
        """Nothing seen yet."""
        square = torch.zeros(num_classes, num_classes, device=device)
        return cls(square, torch.zeros(num_classes, device=device), square.clone())

    def add(self, logits: Tensor, y: Tensor) -> None:
        """Count one batch: logits (B, K), y (B,)."""
        num_classes = logits.shape[1]
        cells = y * num_classes + logits.argmax(dim=1)
        self.confusion += class_counts(cells, num_classes**2).reshape(num_classes, num_classes)
        self.cross_entropy += class_sums(cross_entropy(logits, y), y, num_classes)
        self.softmax += class_sums(logits.softmax(dim=1), y, num_classes)

    @property
    def class_correct(self) -> Tensor:
        """(K,) correct answers by true class."""
        return self.confusion.diagonal()

    @property
    def class_total(self) -> Tensor:
        """(K,) images by true class."""
        return self.confusion.sum(dim=1)

    @property
    def class_accuracy(self) -> Tensor:
        """(K,) fractions; 0 for a class that was not seen."""
        return self.class_correct / self.class_total.clamp(min=1)

    @property
    def class_risk(self) -> Tensor:
        """(K,) mean cross-entropy; 0 for a class that was not seen."""
        return self.cross_entropy / self.class_total.clamp(min=1)


@dataclass
class EpochStatistics:
    """One epoch of training as the outer forward saw it."""

    num_classes: int
    views: dict[str, ViewStatistics] = field(default_factory=dict)
    traces: dict[str, Tensor] = field(default_factory=dict)
    """name -> (K,) sums of the views' traces."""

    @torch.no_grad()
    def add(self, terms: Terms, views: Views, y: Tensor) -> None:
        """Take in one step."""
        for name, logits in terms.logits.items():
            if name not in self.views:
                self.views[name] = ViewStatistics.empty(self.num_classes, logits.device)
            self.views[name].add(logits.detach().float(), y)
        for name, values in views.traces.items():
            sums = class_sums(values.float(), y, self.num_classes)
            self.traces[name] = self.traces[name] + sums if name in self.traces else sums

    @property
    def adversarial(self) -> ViewStatistics:
        """The adversarial view."""
        return self.views["adversarial"]

    def log_entries(self) -> dict[str, Tensor]:
        """What the log shows of each view: accuracy and risk of each class, and how far the risks spread.

        The population standard deviation of the class-wise risk is what ABSLD's Fig. 5 plots.
        """
        entries = {}
        for name, view in self.views.items():
            entries[f"train_{name}_class_accuracy"] = view.class_accuracy
            entries[f"train_{name}_class_risk"] = view.class_risk
            entries[f"train_{name}_risk_deviation"] = view.class_risk.std(correction=0)
        return entries

    def state_dict(self) -> dict[str, Tensor]:
        """Flat tensors, for the trainer's state."""
        flat = {f"views.{name}.{key}": value for name, view in self.views.items() for key, value in vars(view).items()}
        return flat | {f"traces.{name}": value for name, value in self.traces.items()}

    @classmethod
    def from_state_dict(cls, num_classes: int, state: dict[str, Tensor]) -> Self:
        """The inverse of ``state_dict``."""
        statistics = cls(num_classes)
        for name in dict.fromkeys(key.split(".")[1] for key in state if key.startswith("views.")):
            keys = ("confusion", "cross_entropy", "softmax")
            statistics.views[name] = ViewStatistics(*(state[f"views.{name}.{key}"] for key in keys))
        statistics.traces = {key.removeprefix("traces."): v for key, v in state.items() if key.startswith("traces.")}
        return statistics
