"""The committed JSON Schemas are those of the code, and accept what the code writes."""

import json
from pathlib import Path

import pytest
import yaml

from fairbench.submissions.schemas import SCHEMAS, schema_text, write_schemas

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schema_is_current(name):
    committed = (FOLDER / f"{name}.schema.json").read_text("utf-8")
    assert committed == schema_text(name), "make schemas, and commit what changed"


def test_there_is_no_other_schema(tmp_path):
    assert {path.name for path in FOLDER.iterdir()} == {path.name for path in write_schemas(tmp_path)}


def test_a_bundle_keeps_its_schemas(bench):
    """By the rules of the schema alone: required keys, no unknown ones where none are allowed, and types."""
    members = bench.unpacked()
    for name in SCHEMAS:
        path = members / ("card.yaml" if name == "card" else f"{name}.json")
        if path.exists():
            schema = json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8"))
            values = yaml.safe_load(path.read_text("utf-8"))
            assert set(schema["required"]) <= set(values)
            if not schema.get("additionalProperties", True):
                assert set(values) <= set(schema["properties"])
