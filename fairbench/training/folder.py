"""The files of one run: states while it trains, weights and log at its end."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from torch import nn

from fairbench.files import write_text
from fairbench.models import load_weights, save_weights
from fairbench.training.method import Method
from fairbench.training.state import load_newest, remove_states, save_state


class RunFolder:
    """``log.jsonl``, ``model.safetensors`` and ``last.safetensors``; on the way the states and the selected weights."""

    def __init__(self, path: Path) -> None:
        self.path, self.state, self.selected = path, path / "resume.pt", path / "selected.safetensors"

    def save(self, state: dict[str, Any], log: str) -> None:
        """Save a state, and the log up to it."""
        save_state(self.state, state)
        self._write_log(log)

    def newest_state(self) -> tuple[dict[str, Any] | None, str | None]:
        """The newest state that is whole, and a line for the reader if it is not the newest.

        Raises:
            UsageError: if all there are are damaged.
        """
        return load_newest(self.state)

    def keep_selected(self, network: nn.Module) -> None:
        """Keep these weights as those to be reported, as long as no better ones come."""
        save_weights(network, self.selected)

    def finish(self, method: Method, reported: nn.Module, *, has_selected: bool, log: str) -> None:
        """Write the last and the selected weights, each with the method's last work done, and remove the rest.

        Args:
            method: has the last word on the weights.
            reported: the last weights; left as they are.
            has_selected: whether other weights than the last were selected.
            log: the whole log.
        """
        last = copy.deepcopy(reported)
        selected = copy.deepcopy(reported)
        if has_selected:
            load_weights(selected, self.selected)
        for network, name in ((last, "last.safetensors"), (selected, "model.safetensors")):
            method.finish(network)
            save_weights(network, self.path / name)
        self._write_log(log)
        remove_states(self.state)
        self.selected.unlink(missing_ok=True)

    def _write_log(self, log: str) -> None:
        write_text(self.path / "log.jsonl", log)
