"""The written form of a composition: ``method@objective+modifier?option=value&part.option=value``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fairbench.errors import UsageError

GRAMMAR = "method[@objective][+modifier...][?option=value[&part.option=value...]], as in faal@trades+awp?tau=0.3"

NAME = r"[a-z][a-z0-9_]*"
"""what names of methods, objectives, modifiers and options look like."""
_FORM = re.compile(rf"({NAME})(?:@({NAME}))?((?:\+{NAME})*)(?:\?(.+))?")
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

    Raises:
        UsageError: if the list is empty or has an empty place.
    """
    forms = [form.strip() for form in text.split(",")]
    if not all(forms):
        raise UsageError(f"the list of methods {text!r} has an empty place; separate written forms by single commas")
    return list(dict.fromkeys(forms))
