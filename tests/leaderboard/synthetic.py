"""Records that obey the schema and whose numbers are invented: for tests of tables and pages, never for results."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from fairbench.protocol.record import Record

CONDITIONS = ("clean", "fgsm", "pgd20", "cw20", "cw30", "aa", "square")
STRENGTH = {"clean": 1.0, "fgsm": 0.72, "square": 0.68, "pgd20": 0.6, "cw20": 0.57, "cw30": 0.565, "aa": 0.53}
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
GARMENTS = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]


def make_condition(confusion: np.ndarray, **changes: Any) -> dict[str, Any]:
    """A condition's record from its confusion matrix, (K, K) integers."""
    correct, total = confusion.diagonal(), confusion.sum(axis=1)
    rates = correct / total
    wrong = confusion - np.diag(correct)
    scores = wrong.sum(axis=0) / wrong.sum() if wrong.sum() else None
    lowest = np.sort(rates)[: -(-len(rates) // 10)]
    values = {
        "average": correct.sum() / total.sum(),
        "balanced": rates.mean(),
        "worst": rates.min(),
        "worst_class": int(rates.argmin()),
        "worst_tenth": lowest.mean(),
        "overall": (correct.sum() / total.sum() + rates.min()) / 2,
        "class_correct": correct.tolist(),
        "class_total": total.tolist(),
        "class_false_positive_score": None if scores is None else scores.tolist(),
        "confusion": confusion.tolist(),
        "undefined": {} if scores is not None else {"class_false_positive_score": "no image is misclassified"},
        "settings": {"steps": 20, "batch_size": 250, "seed": 0},
        "seconds": 12.5,
    }
    return values | changes


def make_values(
    method: str = "faal",
    *,
    seed: int | None = 0,
    classes: list[str] | None = None,
    per_class: int = 36,
    conditions: tuple[str, ...] = CONDITIONS,
    fairness: float = 0.5,
    level: float = 0.85,
    **changes: Any,
) -> dict[str, Any]:
    """The values of a record; equal arguments give equal values.

    Args:
        method: written form; with the seed it keys the invented numbers.
        seed: of the run.
        classes: names, the digits by default.
        per_class: test images of each class.
        conditions: which conditions the record has.
        fairness: 0 leaves the hardest class nearly undefended, 1 makes all equal.
        level: clean accuracy.
        changes: top-level keys of the record.
    """
    classes = DIGITS if classes is None else classes
    rng = np.random.default_rng([zlib.crc32(method.encode("utf-8", "replace")), seed or 0, len(classes)])
    hardness = np.random.default_rng(len(classes)).permutation(np.linspace(0, 1, len(classes)) ** 2)
    accuracies = {name: level * STRENGTH.get(name, 0.5) for name in conditions}
    blocks = {
        name: _confusion(rng, _by_class(rate, hardness, fairness), per_class) for name, rate in accuracies.items()
    }
    cheap = [name for name in conditions if name in ("clean", "pgd20", "cw20")]
    last = {name: _confusion(rng, _by_class(accuracies[name], hardness, fairness / 2), per_class) for name in cheap}
    values = {
        "schema_version": 1,
        "protocol_version": 1,
        "protocol": "standard",
        "departures": [],
        "method": method,
        "title": f"Invented numbers for {method}",
        "paper": "Nobody et al., Nowhere 2024",
        "link": "https://example.org/paper",
        "origin": "built-in",
        "track": "digits",
        "seed": seed,
        "init": "pgd_at",
        "selected_on": "select",
        "selected_epoch": 3,
        "epsilon": 0.2,
        "norm": "linf",
        "data": {
            "name": "digits",
            "fingerprint": "ab" * 32,
            "classes": classes,
            "image_shape": [1, 8, 8],
            "splits_sha256": "cd" * 32,
        },
        "model": {"architecture": "cnn_tiny", "parameters": 12345, "weights_sha256": "ef" * 32},
        "conditions": {name: make_condition(confusion) for name, confusion in blocks.items()},
        "last": {
            "epoch": 4,
            "weights_sha256": "01" * 32,
            "conditions": {name: make_condition(confusion) for name, confusion in last.items()},
        },
        "training": {
            "epochs": 4,
            "seconds": 21.5 + (seed or 0),
            "init": "pgd_at",
            "init_sha256": "23" * 32,
            "objective": "at",
            "modifiers": [],
            "inner_attack": "pgd",
            "config": {"method": method, "seed": seed, "schedule": {"epochs": 4, "batch_size": 64}},
            "hidden_settings": {"attack_batch_norm": "eval", "nesterov": False, "padding_mode": "zero"},
        },
        "environment": {
            "fairbench": "0.1.0",
            "git_commit": "4f" * 20,
            "python": "3.11.2",
            "torch": "2.6.0",
            "device": "cpu",
            "threads": 2,
            "peak_memory_bytes": 512 * 2**20,
        },
    }
    return values | changes


def make_record(method: str = "faal", **changes: Any) -> Record:
    """A validated record; arguments as for ``make_values``."""
    return Record.model_validate(make_values(method, **changes))


def write_values(folder: Path, values: dict[str, Any], *, cell: str | None = None) -> Path:
    """Write a record where a run would; ``cell`` replaces the method's part of the path."""
    path = folder / str(values["track"]) / (cell or str(values["method"])) / f"seed{values['seed']}" / "record.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def _by_class(accuracy: float, hardness: np.ndarray, fairness: float) -> np.ndarray:
    """Accuracies (K,) around a mean; harder classes lie lower, and more so where it is less fair."""
    spread = (1 - fairness) * (1.3 - accuracy)
    return np.clip(accuracy * (1 - spread * (hardness - 0.35) * 1.6), 0.01, 0.99)


def _confusion(rng: np.random.Generator, accuracy: np.ndarray, per_class: int) -> np.ndarray:
    """Counts (K, K) at these accuracies; wrong answers favour some classes."""
    favoured = rng.dirichlet(np.full(len(accuracy), 3.0))
    rows = []
    for c, rate in enumerate(accuracy):
        chances = favoured.copy()
        chances[c] = 0
        chances *= (1 - rate) / chances.sum()
        chances[c] = rate
        rows.append(rng.multinomial(per_class, chances / chances.sum()))
    return np.array(rows)
