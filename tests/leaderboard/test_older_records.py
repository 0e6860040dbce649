"""Records of older versions are read through a chain of upgrades, and meanings are kept apart."""

import json
from typing import Literal

import pytest
from synthetic import make_values

from fairbench.errors import UsageError
from fairbench.evaluation import read_record
from fairbench.protocol.record import Record
from fairbench.protocol.versions import upgraded


def rename_method(values):
    """What a first version could have looked like: the method was called a name."""
    return {("method" if key == "name" else key): value for key, value in values.items()}


def add_norm(values):
    return {"norm": "linf", **values}


UPGRADES = {1: rename_method, 2: add_norm}


@pytest.fixture
def third_version(monkeypatch):
    """As if the schema had been changed twice."""
    monkeypatch.setattr("fairbench.evaluation.records.RECORD_UPGRADES", UPGRADES)
    monkeypatch.setattr("fairbench.evaluation.records.SCHEMA_VERSION", 3)

    class Third(Record):
        schema_version: Literal[3] = 3

    monkeypatch.setattr("fairbench.evaluation.records.Record", Third)


def write(folder, **changes):
    values = {key: value for key, value in (make_values("faal") | changes).items() if value is not ...}
    path = folder / "record.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 1, "name": "faal", "method": ..., "norm": ...},
        {"schema_version": 2, "norm": ...},
        {"schema_version": 3},
    ],
)
def test_every_older_version_is_read_as_the_newest(tmp_path, third_version, changes):
    record = read_record(write(tmp_path, **changes))
    assert (record.method, record.norm, record.schema_version) == ("faal", "linf", 3)


def test_upgrading_leaves_the_values_that_came():
    old = {"schema_version": 1, "name": "faal"}
    assert upgraded(old, current=3, upgrades=UPGRADES, place="x") == {
        "schema_version": 3,
        "method": "faal",
        "norm": "linf",
    }
    assert old == {"schema_version": 1, "name": "faal"}


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (2, "schema_version = 2, this fairbench reads up to 1; install a newer fairbench"),
        (0, "schema_version = 0: expected a whole number from 1 to 1"),
        (True, "schema_version = True: expected a whole number"),
        ("1", "schema_version = '1': expected a whole number"),
        (1.0, "schema_version = 1.0: expected a whole number"),
    ],
)
def test_a_version_that_cannot_be_read_is_refused(tmp_path, version, message):
    with pytest.raises(UsageError, match=message):
        read_record(write(tmp_path, schema_version=version))


def test_a_version_that_nothing_reads_any_more_is_refused():
    with pytest.raises(UsageError, match="schema_version = 1 is no longer read; make the file anew"):
        upgraded({"schema_version": 1}, current=3, upgrades={2: add_norm}, place="x")


@pytest.mark.parametrize("version", [0, 2])
def test_a_protocol_that_is_not_known_is_refused(tmp_path, version):
    with pytest.raises(UsageError, match=f"protocol_version = {version}: "):
        read_record(write(tmp_path, protocol_version=version))
