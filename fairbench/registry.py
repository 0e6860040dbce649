"""The registry of methods and objectives: who they are, and how a written form becomes parts."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from fairbench.composition import NAME, WrittenForm, parse_written_form
from fairbench.errors import FairbenchError, UsageError, unknown_name
from fairbench.files import sha256_file
from fairbench.protocol.schema import validated
from fairbench.training.averaging import Averaging, Ema, Fawa, Swa
from fairbench.training.awp import Awp
from fairbench.training.method import Method, Objective, Part
from fairbench.training.trainer import Recipe

MODIFIERS: dict[str, type[Awp] | type[Averaging]] = {"awp": Awp, "ema": Ema, "swa": Swa, "fawa": Fawa}
BUILT_IN = "built-in"
SCHEDULE_PREFIX = "schedule."
STEP = "step"
"""What the options of the plain step are called beside those of an objective."""
ANY_TRACK = "*"
"""key of ``defaults`` for settings that hold on every track that names no other."""

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
    """track -> option or ``schedule.*`` key -> value, where the paper's setting is scaled to a track; ``@objective`` ->
    option -> value, where the paper's setting differs between objectives."""
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
        defaults: track -> key -> value, for settings scaled to a track; ``schedule.epochs`` and the like, or options.
            ``@trades`` in the place of a track -> option -> value, for settings that hold on that objective.

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


def _check_name(kind: str, name: str, origin: str) -> None:
    if not re.fullmatch(NAME, name):
        raise UsageError(f"{kind} name {name!r} of {origin} cannot be written; use small letters, digits, underscores")
    holders = {
        STEP: "the plain step",
        **dict.fromkeys(MODIFIERS, "a modifier"),
        **{objective: f"the objective of {method}" for objective, method in _objectives.items()},
        **{method: entry.origin for method, entry in _entries.items()},
    }
    if name in holders:
        raise UsageError(f"{kind} name {name!r} of {origin} is taken by {holders[name]}; choose another name")


def load_plugin(path: Path) -> None:
    """Enter the methods of a Python file; its code runs.

    Raises:
        UsageError: if the file is missing, fails to import, or takes a name that exists.
    """
    path = path.resolve()
    if not path.is_file():
        raise UsageError(f"plug-in {path} is not a file; give the path of a Python file")
    _built_in_methods()
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
        _from(
            f"plug-in {path.name} (sha256 {digest})", lambda: spec.loader.exec_module(module) if spec.loader else None
        )
    except BaseException:
        del sys.modules[module_name]
        raise


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
        raise unknown_name("method", name, known, cure="List them with: fairbench methods list")
    return known[name]


@cache
def _built_in_methods() -> None:
    package = importlib.import_module("fairbench.methods")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"fairbench.methods.{module.name}")


@cache
def _entry_point_methods() -> None:
    for point in entry_points(group="fairbench.methods"):
        _from(f"entry point {point.value}", point.load)


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


@dataclass(frozen=True)
class Composition:
    """A written form with its names looked up and its options sorted to the parts."""

    form: WrittenForm
    entry: Entry
    objective: str
    modifiers: tuple[str, ...]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """part name -> option -> value, checked."""

    @property
    def needs(self) -> tuple[str, ...]:
        """What method and objective must be given besides data."""
        return tuple(dict.fromkeys((*self.entry.needs, *_entries[_objectives[self.objective]].needs)))

    @property
    def written(self) -> str:
        """The shortest written form: what is the default is left out."""
        objective = None if self.objective == self.entry.objective else self.objective
        modifiers = tuple(name for name in self.modifiers if name not in _default_modifiers(self.entry))
        return str(WrittenForm(self.entry.name, objective, modifiers, self.form.options))

    def recipe(self) -> Recipe:
        """Fresh parts, ready to be bound."""
        objective_class = _objective_class(self.objective)
        objective = objective_class(
            validated(objective_class.Options, self.options[self.objective], place=self.written)
        )
        if issubclass(self.entry.part, Method):
            values = self.options[self.entry.name]
            method = self.entry.part(validated(self.entry.part.Options, values, place=self.written), objective)
        else:
            method = Method(validated(Method.Options, self.options[STEP], place=self.written), objective)
        wrapped: dict[str, Any] = {}
        for name in self.modifiers:
            part = MODIFIERS[name](validated(MODIFIERS[name].Options, self.options[name], place=self.written))
            wrapped["awp" if isinstance(part, Awp) else "averaging"] = part
        return Recipe(method=method, **wrapped)


def compose(text: str, *, track: str | None = None) -> Composition:
    """Look up the names of a written form and check its options.

    Args:
        text: one written form.
        track: whose scaled defaults are taken; None takes the published ones.

    Raises:
        UsageError: for unknown names or options, and for a combination that makes no sense.
    """
    form = parse_written_form(text)
    entry = find_entry(form.method)
    objective = _chosen_objective(form, entry)
    modifiers = _chosen_modifiers(form, entry)
    parts = _parts(entry, objective, modifiers)
    given = _homes(form.options, parts, text)
    scaled = {_home(key, parts, text): v for key, v in _scaled_options(entry, track, objective, parts).items()}
    defaults, resolved = (_resolved(values, parts, text) for values in (scaled, scaled | given))
    departing = {(part, option) for part, option in given if resolved[part][option] != defaults[part][option]}
    written = replace(form, options=_shortest(departing, parts, resolved))
    return Composition(written, entry, objective, modifiers, resolved)


_Home = tuple[str, str]
"""part and option."""


def _homes(options: Mapping[str, Any], parts: Mapping[str, type[Part]], text: str) -> dict[_Home, Any]:
    homes: dict[_Home, Any] = {}
    for key, value in options.items():
        home = _home(key, parts, text)
        if home in homes:
            raise UsageError(f"method {text!r} sets the option {'.'.join(home)} twice")
        homes[home] = value
    return homes


def _resolved(values: Mapping[_Home, Any], parts: Mapping[str, type[Part]], text: str) -> dict[str, dict[str, Any]]:
    by_part = {name: {option: v for (home, option), v in values.items() if home == name} for name in parts}
    return {
        name: validated(part.Options, by_part[name], place=f"method {text}").model_dump(mode="json")
        for name, part in parts.items()
    }


def _shortest(
    homes: set[_Home], parts: Mapping[str, type[Part]], resolved: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """The options as they are written shortest, so that one configuration has one written form."""
    written = {}
    for part, option in homes:
        is_alone = sum(option in other.Options.model_fields for other in parts.values()) == 1
        value = resolved[part][option]
        text = str(value).lower() if isinstance(value, bool) else str(value)
        written[option if is_alone else f"{part}.{option}"] = text
    return written


def _scaled_options(entry: Entry, track: str | None, objective: str, parts: Mapping[str, type[Part]]) -> dict[str, Any]:
    # A default for a modifier or objective that this composition leaves out has no home and no meaning.
    values = _defaults(entry, track, objective)
    return {key: value for key, value in values.items() if "." not in key or key.split(".")[0] in parts}


def schedule_defaults(entry: Entry, track: str) -> dict[str, Any]:
    """The method's own schedule on a track, as keys of Schedule."""
    values = _defaults(entry, track)
    return {key.removeprefix(SCHEDULE_PREFIX): v for key, v in values.items() if key.startswith(SCHEDULE_PREFIX)}


def _defaults(entry: Entry, track: str | None, objective: str = "") -> dict[str, Any]:
    return {
        key: value
        for place in (ANY_TRACK, f"@{objective}", track or "")
        for key, value in entry.defaults.get(place, {}).items()
    }


def _parts(entry: Entry, objective: str, modifiers: tuple[str, ...]) -> dict[str, type[Part]]:
    parts: dict[str, type[Part]] = {objective: _objective_class(objective)}
    parts[entry.name if issubclass(entry.part, Method) else STEP] = (
        entry.part if issubclass(entry.part, Method) else Method
    )
    return parts | {name: MODIFIERS[name] for name in modifiers}


def _objective_class(objective: str) -> type[Objective]:
    part = _entries[_objectives[objective]].part
    assert issubclass(part, Objective)
    return part


def _default_modifiers(entry: Entry) -> tuple[str, ...]:
    return entry.part.default_modifiers if issubclass(entry.part, Method) else ()


def _chosen_objective(form: WrittenForm, entry: Entry) -> str:
    if form.objective is None:
        return entry.objective
    if form.objective not in _objectives:
        raise unknown_name("objective", form.objective, _objectives)
    if not issubclass(entry.part, Method):
        raise UsageError(f"{entry.name} is an objective itself, it cannot stand on @{form.objective}")
    if form.objective not in entry.objectives:
        raise UsageError(
            f"{entry.name}@{form.objective} makes no sense: {entry.name} works on {', '.join(entry.objectives)}"
        )
    return form.objective


def _chosen_modifiers(form: WrittenForm, entry: Entry) -> tuple[str, ...]:
    for name in form.modifiers:
        if name not in MODIFIERS:
            raise unknown_name("modifier", name, MODIFIERS)
    averages = [name for name in form.modifiers if issubclass(MODIFIERS[name], Averaging)]
    if len(averages) > 1:
        raise UsageError(f"{form} averages the weights twice ({' and '.join(averages)}); keep one of them")
    defaults = [name for name in _default_modifiers(entry) if not (averages and issubclass(MODIFIERS[name], Averaging))]
    return tuple(sorted({*form.modifiers, *defaults}))


def _home(key: str, parts: Mapping[str, type[Part]], text: str) -> _Home:
    part, _, option = key.rpartition(".")
    if part:
        if part not in parts:
            raise unknown_name(f"part in the option {key!r} of {text!r}:", part, parts)
        homes = [part]
    else:
        homes = [name for name, candidate in parts.items() if option in candidate.Options.model_fields]
    known = sorted({field for name in (homes or parts) for field in parts[name].Options.model_fields})
    if not homes or option not in parts[homes[0]].Options.model_fields:
        raise unknown_name(f"option of {text!r}:", option, known)
    if len(homes) > 1:
        raise UsageError(f"option {option!r} of {text!r} is known to {' and '.join(homes)}; write {homes[0]}.{option}")
    return homes[0], option
