"""The registry of methods and objectives: who they are and where they come from."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from fairbench.errors import FairbenchError, UsageError, unknown_name
from fairbench.extensions import BUILT_IN, METHODS, extensions
from fairbench.files import sha256_file
from fairbench.training.averaging import Averaging, Ema, Fawa, Swa
from fairbench.training.awp import Awp
from fairbench.training.method import Method, Objective, Part
from fairbench.written_form import NAME

MODIFIERS: dict[str, type[Awp] | type[Averaging]] = {"awp": Awp, "ema": Ema, "swa": Swa, "fawa": Fawa}
STEP = "step"
"""What the options of the plain step are called beside those of an objective."""
ANY_TRACK = "*"
"""key of ``defaults`` for settings that hold on every track that names no other; ``cifar100-*`` narrows it."""

_UNKNOWN_METHOD = "List them with: fairbench methods list; name a file of your own with --plugin FILE"

AnyPart = TypeVar("AnyPart", bound="type[Method] | type[Objective]")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the registry knows about a method."""

    name: str
    part: type[Method] | type[Objective]
    title: str
    paper: str
    year: int | None
    link: str | None
    family: str
    needs: tuple[str, ...]
    """``teacher``, ``clean teacher``, ``feedback split``, ``base checkpoint``."""
    objective: str
    """the objective under the plain name."""
    objectives: tuple[str, ...]
    """the objectives that make sense."""
    defaults: Mapping[str, Mapping[str, Any]]
    """track -> option, ``schedule.*`` or ``augmentation.*`` key -> value, where the paper's setting is scaled to a
    track, which may be a pattern such as ``cifar100-*``; ``@objective`` -> option -> value, where the paper's setting
    differs between objectives."""
    origin: str

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (self.part.__doc__ or "").strip().splitlines()[0]


_entries: dict[str, Entry] = {}
_objectives: dict[str, str] = {}
_origin: list[str] = []


def register(
    name: str,
    *,
    title: str,
    paper: str,
    year: int | None = None,
    link: str | None = None,
    family: str = "fairness",
    needs: tuple[str, ...] = (),
    objective: str = "at",
    objectives: tuple[str, ...] | None = None,
    as_objective: str | None = None,
    defaults: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[AnyPart], AnyPart]:
    """A decorator that enters a Method or an Objective under a name.

    Args:
        name: what people write; small letters, digits and underscores.
        title: name as printed.
        paper: authors, venue and title.
        year: of publication.
        link: to the paper.
        family: heading in the listing.
        needs: what the method must be given besides data.
        objective: the objective under the plain name (methods only).
        objectives: all objectives that make sense; None is just the one (methods only).
        as_objective: the name after ``@`` (objectives only).
        defaults: track -> key -> value, for settings scaled to a track: options, or ``schedule.epochs``,
            ``augmentation.padding_mode`` and the like. A track may be a pattern, ``cifar100-*`` or ``*``; the narrower
            one wins. ``@trades`` in the place of a track -> option -> value, for settings that hold on that objective.

    Raises:
        UsageError: if the name is taken; a built-in name cannot be shadowed.
    """

    def enter(part: AnyPart) -> AnyPart:
        origin = _origin_of(part)
        if origin != BUILT_IN:
            _built_in_methods()
        _check_name("method", name, origin)
        if as_objective and as_objective != name:
            _check_name("objective", as_objective, origin)
        own = as_objective or objective
        _entries[name] = Entry(
            name=name,
            part=part,
            title=title,
            paper=paper,
            year=year,
            link=link,
            family=family,
            needs=needs,
            objective=own,
            objectives=objectives or (own,),
            defaults=defaults or {},
            origin=origin,
        )
        if as_objective:
            _objectives[as_objective] = name
        return part

    return enter


def _origin_of(part: type[Part]) -> str:
    if part.__module__.startswith("fairbench.methods."):
        return BUILT_IN
    return _origin[-1] if _origin else f"module {part.__module__}"


def check_free_name(name: str) -> None:
    """That a new method could have this name.

    Raises:
        UsageError: if it cannot be written, or is taken.
    """
    entries()
    _check_name("method", name, "the new method")


def _check_name(kind: str, name: str, origin: str) -> None:
    if not re.fullmatch(NAME, name):
        raise UsageError(f"{kind} name {name!r} of {origin} cannot be written; use small letters, digits, underscores")
    holders = {
        STEP: "the plain step",
        **dict.fromkeys(MODIFIERS, "a modifier"),
        **{objective: f"the objective of {method}" for objective, method in _objectives.items()},
        **{method: _holder(entry) for method, entry in _entries.items()},
    }
    if name in holders:
        raise UsageError(f"{kind} name {name!r} of {origin} is taken by {holders[name]}; choose another name")


def _holder(entry: Entry) -> str:
    return "a built-in method" if entry.origin == BUILT_IN else entry.origin


def load_plugin(path: Path) -> None:
    """Enter the methods of a Python file; its code runs.

    Raises:
        UsageError: if the file is missing, fails to import, or takes a name that exists.
    """
    path = path.resolve()
    if not path.is_file():
        raise UsageError(f"plug-in {path} is not a file; give the path of a Python file")
    _built_in_methods()
    if is_built_in_folder(path.parent):
        return  # inside a checkout of fairbench it is a built-in method
    module_name = f"fairbench_plugin_{path.stem}"
    if getattr(sys.modules.get(module_name), "__file__", None) == str(path):
        return
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"plug-in {path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look their module up there
    try:
        digest = sha256_file(path)[:12]
        origin = f"plug-in {path.name} (sha256 {digest})"
        _from(origin, lambda: spec.loader.exec_module(module) if spec.loader else None)
    except BaseException:
        del sys.modules[module_name]
        raise


def plugins_in(folder: Path) -> list[Path]:
    """The plug-ins of a folder: its Python files but tests, in the order of their names; nothing is loaded.

    Raises:
        UsageError: if there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} here; make one with a method: fairbench methods new NAME")
    if is_built_in_folder(folder):
        return []
    return [path for path in sorted(folder.glob("*.py")) if not path.name.startswith(("__init__", "test_"))]


def is_built_in_folder(folder: Path) -> bool:
    """Whether a folder holds the built-in methods, as ``methods/`` does in a checkout of fairbench."""
    package = importlib.import_module("fairbench.methods")
    return folder.resolve() in {Path(place).resolve() for place in package.__path__}


def entries() -> dict[str, Entry]:
    """All methods by name: built in, from entry points, and from plug-ins that were loaded."""
    _built_in_methods()
    _entry_point_methods()
    return dict(sorted(_entries.items()))


def find_entry(name: str) -> Entry:
    """The method of that name.

    Raises:
        UsageError: if there is none.
    """
    known = entries()
    if name not in known:
        raise unknown_name("method", name, known, cure=_UNKNOWN_METHOD)
    return known[name]


def objective_names() -> list[str]:
    """The names that can stand after @."""
    entries()
    return sorted(_objectives)


def objective_entry(name: str) -> Entry:
    """The entry that stands after @ under a name of ``objective_names()``."""
    return _entries[_objectives[name]]


def objective_class(name: str) -> type[Objective]:
    """The class of an objective."""
    part = objective_entry(name).part
    if not issubclass(part, Objective):
        raise TypeError(f"{name} is registered as an objective but is a {part.__name__}")
    return part


@cache
def _built_in_methods() -> None:
    package = importlib.import_module("fairbench.methods")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"fairbench.methods.{module.name}")


@cache
def _entry_point_methods() -> None:
    for extension in extensions(METHODS).values():
        _from(extension.origin, extension.load)


def _from(origin: str, load: Callable[[], Any]) -> None:
    before = (dict(_entries), dict(_objectives))
    _origin.append(origin)
    try:
        load()
    except (Exception, SystemExit) as error:
        _restore(_entries, before[0])
        _restore(_objectives, before[1])
        if isinstance(error, FairbenchError):
            raise
        raise UsageError(f"{origin} cannot be loaded: {type(error).__name__}: {error}") from error
    finally:
        _origin.pop()


def _restore(table: dict[str, Any], content: dict[str, Any]) -> None:
    table.clear()
    table.update(content)
