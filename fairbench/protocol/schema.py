"""The base of all schemas, and the translation of their errors into words."""

from __future__ import annotations

import difflib
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from fairbench.errors import UsageError


class Schema(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


AnyModel = TypeVar("AnyModel", bound=BaseModel)


def validated(model: type[AnyModel], values: Any, *, place: str) -> AnyModel:
    """The model made from values.

    Args:
        model: the schema.
        values: what came, usually from YAML, JSON or the command line.
        place: where it came from, named in the error.

    Raises:
        UsageError: naming the first wrong key, its value, and the nearest known key.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{place}: {_in_words(model, error.errors()[0])}") from None


def _in_words(model: type[BaseModel], problem: ErrorDetails) -> str:
    *parents, key = problem["loc"] or ("",)
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"{path} is missing"
    if problem["type"] != "extra_forbidden":
        return f"{path} = {problem.get('input')!r}: {problem['msg'].lower()}"
    known = _fields_at(model, parents)
    near = difflib.get_close_matches(str(key), known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}."
    return f"unknown key {path!r}; {hint}"


def _fields_at(model: type[BaseModel], parents: list[int | str]) -> list[str]:
    for name in parents:
        field = model.model_fields.get(str(name))
        inner = getattr(field, "annotation", None)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return sorted(model.model_fields)
