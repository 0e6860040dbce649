"""How a written form becomes parts: names looked up, options checked and sorted to where they belong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from fairbench.errors import UsageError, unknown_name
from fairbench.protocol.schema import Schema, validated
from fairbench.registry import (
    ANY_TRACK,
    MODIFIERS,
    STEP,
    Entry,
    find_entry,
    objective_class,
    objective_entry,
    objective_names,
)
from fairbench.training.averaging import Averaging
from fairbench.training.awp import Awp
from fairbench.training.method import Method, Part
from fairbench.training.plan import Recipe
from fairbench.written_form import WrittenForm, parse_written_form


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
        return tuple(dict.fromkeys((*self.entry.needs, *objective_entry(self.objective).needs)))

    @property
    def written(self) -> str:
        """The shortest written form: what is the default is left out."""
        objective = None if self.objective == self.entry.objective else self.objective
        modifiers = tuple(name for name in self.modifiers if name not in _default_modifiers(self.entry))
        return str(WrittenForm(self.entry.name, objective, modifiers, self.form.options))

    def recipe(self) -> Recipe:
        """Fresh parts, ready to be bound."""
        of_objective = objective_class(self.objective)
        objective = of_objective(validated(of_objective.Options, self.options[self.objective], place=self.written))
        if issubclass(self.entry.part, Method):
            values = self.options[self.entry.name]
            method = self.entry.part(validated(self.entry.part.Options, values, place=self.written), objective)
        else:
            method = Method(validated(Method.Options, self.options[STEP], place=self.written), objective)
        wrapped: dict[str, Any] = {}
        for name in self.modifiers:
            part = MODIFIERS[name](validated(MODIFIERS[name].Options, self.options[name], place=self.written))
            wrapped["awp" if isinstance(part, Awp) else "averaging"] = part
        return Recipe(method=method, **wrapped, written=self.written)


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
    values = _options_of_objective(entry, track, objective) | _defaults(entry, track, objective)
    # A default for a modifier or objective that this composition leaves out has no home and no meaning.
    return {key: value for key, value in values.items() if "." not in key or key.split(".")[0] in parts}


def _options_of_objective(entry: Entry, track: str | None, objective: str) -> dict[str, Any]:
    # A method stands on the objective as it is on that track, but brings a schedule of its own.
    below = objective_entry(objective)
    if below is entry:
        return {}
    own = objective_class(objective).Options.model_fields
    values = {f"{objective}.{k}" if k in own else k: v for k, v in _defaults(below, track).items()}
    return {key: value for key, value in values.items() if "." in key}


def track_defaults(entry: Entry, track: str | None, section: str) -> dict[str, Any]:
    """What the method has otherwise than the track, as keys of a section of the track.

    Args:
        entry: of the method.
        track: its name; None takes what holds on any track.
        section: ``schedule`` or ``augmentation``.
    """
    values, prefix = _defaults(entry, track), f"{section}."
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _defaults(entry: Entry, track: str | None, objective: str = "") -> dict[str, Any]:
    # The place that names fewer tracks counts more; the objective stands between anywhere and any track.
    matching = [place for place in entry.defaults if fnmatchcase(track or "", place)]
    rank = {ANY_TRACK: 0, f"@{objective}": 1}
    places = sorted({*matching, f"@{objective}"}, key=lambda place: (rank.get(place, 2), "*" not in place, len(place)))
    return {key: value for place in places for key, value in entry.defaults.get(place, {}).items()}


def options_of(composition: Composition, part: str) -> type[Schema]:
    """The model of the options of a part of a composition."""
    return _parts(composition.entry, composition.objective, composition.modifiers)[part].Options


def _parts(entry: Entry, objective: str, modifiers: tuple[str, ...]) -> dict[str, type[Part]]:
    parts: dict[str, type[Part]] = {objective: objective_class(objective)}
    parts[entry.name if issubclass(entry.part, Method) else STEP] = (
        entry.part if issubclass(entry.part, Method) else Method
    )
    return parts | {name: MODIFIERS[name] for name in modifiers}


def _default_modifiers(entry: Entry) -> tuple[str, ...]:
    return entry.part.default_modifiers if issubclass(entry.part, Method) else ()


def _chosen_objective(form: WrittenForm, entry: Entry) -> str:
    if form.objective is None:
        return entry.objective
    if form.objective not in objective_names():
        raise unknown_name("objective", form.objective, objective_names())
    if not issubclass(entry.part, Method):
        raise UsageError(f"{entry.name} is an objective itself, it cannot stand on @{form.objective}")
    if form.objective not in entry.objectives:
        raise UsageError(
            f"{entry.name}@{form.objective} makes no sense: {_why_not(entry, form.objective)}; "
            f"{entry.name} works on {', '.join(entry.objectives)}"
        )
    return form.objective


def _why_not(entry: Entry, objective: str) -> str:
    """What the objective lacks that the method's own have."""
    asked, own = objective_class(objective), [objective_class(name) for name in entry.objectives]
    if all(part.has_teacher for part in own) and not asked.has_teacher:
        return f"{objective} has no teacher, whose answers {entry.name} changes or weighs"
    if asked.has_teacher and not any(part.has_teacher for part in own):
        return f"{objective} takes its labels from a teacher, and {entry.title} is defined on the true ones"
    if not asked.is_adversarial:
        return f"{objective} has no attack, and {entry.title} acts on adversarial examples"
    if all(part.is_regularised for part in own) and not asked.is_regularised:
        return f"{objective} has no boundary term beside the natural one, and {entry.title} treats the two apart"
    return f"{entry.title} is not defined on the attack and the terms of {objective}"


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
