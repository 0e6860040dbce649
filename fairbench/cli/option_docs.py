"""What the source says about the options of a part: the string under each field."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel


def option_docs(model: type[BaseModel]) -> dict[str, str]:
    """Field -> the string that stands under it, those of the bases included; empty for code without a file.

    Args:
        model: the options of a part.
    """
    docs: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if "__annotations__" in vars(cls) and cls.__module__.partition(".")[0] != "pydantic":
            docs |= _strings_under_fields(cls)
    return {name: docs[name] for name in model.model_fields if name in docs}


@cache
def _strings_under_fields(cls: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return {}
    body = next(node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }
