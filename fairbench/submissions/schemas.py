"""JSON Schemas of everything that is exchanged, for those who read and write it without fairbench."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from fairbench.files import write_text
from fairbench.protocol.record import Record
from fairbench.protocol.verdict import Verdict
from fairbench.submissions.card import MethodCard
from fairbench.submissions.config import Config
from fairbench.submissions.environment import PackedOn
from fairbench.submissions.manifest import Manifest

SCHEMAS: dict[str, type[BaseModel]] = {
    "card": MethodCard,
    "config": Config,
    "environment": PackedOn,
    "manifest": Manifest,
    "record": Record,
    "verdict": Verdict,
}
"""Name of a file without its ending -> what it holds."""


def schema_text(name: str) -> str:
    """The JSON Schema of a file.

    Args:
        name: a key of ``SCHEMAS``.
    """
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | SCHEMAS[name].model_json_schema(), indent=1, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write all schemas as ``<name>.schema.json``; their paths."""
    paths = []
    for name in SCHEMAS:
        paths.append(folder / f"{name}.schema.json")
        write_text(paths[-1], schema_text(name))
    return paths
