"""Models of RobustBench's zoo, built and filled by its own package, from files that cannot run code."""

from __future__ import annotations

import importlib
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fairbench.compat import import_robustbench, without_network
from fairbench.errors import FairbenchError, UsageError, WorkError, unknown_name
from fairbench.home import home_folder
from fairbench.models.reading import load_torch_file
from fairbench.models.weights import first_not_finite

_DATASETS = {10: "cifar10", 100: "cifar100", 1000: "imagenet"}
_THREATS = ("Linf", "L2", "corruptions")


def zoo_network(name: str, *, num_classes: int, checkpoint: Path | None = None, download: bool = False) -> nn.Module:
    """A model of the zoo with its published weights, in evaluation mode.

    Args:
        name: of the entry, as in ``Rice2020Overfitting``; those of other threat models as ``L2/Rice2020Overfitting``.
        num_classes: K of the data, which tells the zoo of CIFAR-10 from those of CIFAR-100 and ImageNet.
        checkpoint: its weights; None looks in the folder ``robustbench`` of the user's fairbench folder, in
            RobustBench's own layout ``<data set>/<threat model>/<name>.pt``.
        download: whether missing weights may be fetched from where RobustBench says.

    Raises:
        UsageError: for an unknown entry, missing weights without consent to a download, and a file that is damaged,
            holds more than tensors (nothing of it is run) or belongs to another model.
        WorkError: if a download fails.
    """
    entry = _find(name, num_classes)
    folder = home_folder() / "robustbench"
    with tempfile.TemporaryDirectory() as temporary:
        if checkpoint is not None:
            folder = _as_zoo_folder(entry, checkpoint, Path(temporary))
        missing = [path for path in entry.files(folder) if not path.is_file()]
        if missing and not download:
            raise UsageError(
                f"the weights of {name} are not at {missing[0]}; allow their download with --download, "
                "or give the file as --checkpoint FILE"
            )
        network = _loaded(entry, folder, download=bool(missing))
    bad = first_not_finite(network.state_dict())
    if bad is not None:
        raise UsageError(f"the weights of {name}: {bad} holds numbers that are not finite; give another checkpoint")
    return network.eval()


class _Entry:
    def __init__(self, name: str, dataset: str, threat: str, card: Mapping[str, Any]) -> None:
        self.name, self.dataset, self.threat = name, dataset, threat
        self.parts = card.get("gdrive_id")

    @property
    def timm_name(self) -> str | None:
        """How timm calls it if RobustBench left the model to timm."""
        timm = importlib.import_module("timm")
        name = f"{self.name.lower().replace('-', '_')}_{self.dataset}_{self.threat.lower()}"
        return name if timm.is_model(name) else None

    def files(self, folder: Path) -> list[Path]:
        """Where RobustBench keeps its weights below a folder; an ensemble has several."""
        path = folder / self.dataset / self.threat / f"{self.name}.pt"
        if isinstance(self.parts, list):
            return [path.with_name(f"{path.name}_m{number}.pt") for number in range(len(self.parts))]
        return [path]


def _find(name: str, num_classes: int) -> _Entry:
    import_robustbench()
    zoo = importlib.import_module("robustbench.model_zoo")
    if num_classes not in _DATASETS:
        raise UsageError(f"RobustBench has models for 10, 100 and 1000 classes, the data has {num_classes}")
    dataset = _DATASETS[num_classes]
    enums = importlib.import_module("robustbench.model_zoo.enums")
    by_threat = zoo.model_dicts[enums.BenchmarkDataset(dataset)]
    known: dict[str, _Entry] = {}
    for threat in _THREATS:
        for entry_name, card in by_threat.get(enums.ThreatModel(threat), {}).items():
            entry = _Entry(entry_name, dataset, threat, card)
            known[f"{threat}/{entry_name}"] = entry
            if threat == "Linf":
                known[entry_name] = entry
    if name not in known:
        raise unknown_name(f"entry of RobustBench's {dataset} zoo", name, known)
    return known[name]


def _as_zoo_folder(entry: _Entry, checkpoint: Path, temporary: Path) -> Path:
    if not checkpoint.is_file():
        raise UsageError(f"checkpoint {checkpoint} does not exist")
    places = entry.files(temporary)
    if len(places) > 1:
        names = ", ".join(place.name for place in places)
        raise UsageError(
            f"{entry.name} has {len(places)} files ({names}): put them into {home_folder() / 'robustbench'}"
        )
    places[0].parent.mkdir(parents=True)
    places[0].symlink_to(checkpoint.resolve())
    return temporary


def _loaded(entry: _Entry, folder: Path, *, download: bool) -> nn.Module:
    utils = importlib.import_module("robustbench.utils")
    try:
        with warnings.catch_warnings(), _tensors_only(), nullcontext() if download else without_network():
            warnings.simplefilter("ignore")
            if entry.timm_name is not None and not download:
                return _of_timm(entry, folder)
            return utils.load_model(entry.name, model_dir=folder, dataset=entry.dataset, threat_model=entry.threat)
    except FairbenchError:
        raise
    except OSError as error:
        if download:
            raise WorkError(f"cannot download {entry.name}: {error}; fetch it by hand to {folder}") from error
        raise UsageError(f"{entry.name} needs the network while it is built; allow it with --download") from error
    except Exception as error:  # the zoo is other people's code
        raise UsageError(f"RobustBench cannot load {entry.name}: {str(error).splitlines()[0]}") from error


def _of_timm(entry: _Entry, folder: Path) -> nn.Module:
    timm = importlib.import_module("timm")
    network = timm.create_model(entry.timm_name, pretrained=False)
    bare = network[-1] if isinstance(network, nn.Sequential) else network
    content = load_torch_file(entry.files(folder)[0])
    adapt = getattr(importlib.import_module(type(bare).__module__), "checkpoint_filter_fn", lambda state, model: state)
    bare.load_state_dict(adapt(content.get("state_dict", content), bare))
    return network


@contextmanager
def _tensors_only() -> Iterator[None]:
    """Within, ``torch.load`` gives tensors or refuses, whatever it is asked for."""
    whole: Any = torch.load
    torch.load = lambda file, *args, **options: load_torch_file(Path(file))
    try:
        yield
    finally:
        torch.load = whole
