"""The written form of a composition: ``method@objective+modifier?option=value&part.option=value``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, product, zip_longest

from fairbench.errors import UsageError

GRAMMAR = "method[@objective][+modifier...][?option=value[&part.option=value...]], as in faal@trades+awp?tau=0.3"

NAME = r"[a-z][a-z0-9_]*"
"""what names of methods, objectives, modifiers and options look like."""
_FORM = re.compile(rf"({NAME})(?:@({NAME}))?((?:\+{NAME})*)(?:\?(.+))?")
_BRACES = re.compile(r"\{([^{}]*)\}")
_OUTSIDE_BRACES = re.compile(r",(?![^{}]*\})")
_OPTION = re.compile(rf"((?:{NAME}\.)?{NAME})=([^=&?]+)")


@dataclass(frozen=True)
class WrittenForm:
    """The parts of a written form, as somebody wrote them; names are not yet looked up."""

    method: str
    objective: str | None = None
    modifiers: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        objective = f"@{self.objective}" if self.objective else ""
        modifiers = "".join(f"+{name}" for name in self.modifiers)
        options = "&".join(f"{key}={value}" for key, value in sorted(self.options.items()))
        return f"{self.method}{objective}{modifiers}{'?' if options else ''}{options}"


def parse_written_form(text: str) -> WrittenForm:
    """The parts of one written form.

    Raises:
        UsageError: if the text does not follow the grammar, or names a modifier or option twice.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"cannot read the method {text!r}; the form is {GRAMMAR}")
    method, objective, joined, query = match.groups()
    modifiers = tuple(name for name in joined.split("+") if name)
    if len(set(modifiers)) < len(modifiers):
        raise UsageError(f"method {text!r} names a modifier twice")
    return WrittenForm(method, objective, modifiers, _options(text, query or ""))


def _options(text: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in query.split("&") if query else []:
        match = _OPTION.fullmatch(pair)
        if match is None:
            raise UsageError(f"cannot read the option {pair!r} of {text!r}; the form is {GRAMMAR}")
        key, value = match.groups()
        if key in options:
            raise UsageError(f"method {text!r} sets the option {key!r} twice")
        options[key] = value
    return options


def split_written_forms(text: str) -> list[str]:
    """The written forms of a comma-separated list, in order, each once.

    Braces make a grid: ``faal?tau={0,0.25,0.5}`` is three forms, and several braces are all their combinations.

    Raises:
        UsageError: if the list is empty or has an empty place, also inside braces.
    """
    forms = [made.strip() for form in _OUTSIDE_BRACES.split(text) for made in _grid(form)]
    if not all(forms):
        raise UsageError(f"the list of methods {text!r} has an empty place; separate written forms by single commas")
    return list(dict.fromkeys(forms))


def _grid(form: str) -> list[str]:
    fixed, choices = _BRACES.split(form)[::2], [choice.split(",") for choice in _BRACES.findall(form)]
    if not all(value.strip() for choice in choices for value in choice):
        raise UsageError(f"the grid {form!r} has an empty place between its braces")
    values = product(*choices)
    return ["".join(chain(*zip_longest(fixed, (v.strip() for v in chosen), fillvalue=""))) for chosen in values]
