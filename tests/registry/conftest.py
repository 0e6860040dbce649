import sys

import pytest

from fairbench import registry


@pytest.fixture
def own_registry(monkeypatch):
    """A registry whose changes are forgotten after the test."""
    registry.entries()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setattr(registry, "_objectives", dict(registry._objectives))
    loaded = set(sys.modules)
    yield registry
    for name in set(sys.modules) - loaded:
        if name.startswith("fairbench_plugin"):
            del sys.modules[name]


PLUGIN = '''
from __future__ import annotations

from dataclasses import dataclass, field

import fairbench
from pydantic import Field


@dataclass(frozen=True)
class Memory:
    values: list[Memory] = field(default_factory=list)


@fairbench.register("{name}", title="Mine", paper="Nobody, 2030"{extra})
class Mine(fairbench.Method):
    """A method of my own."""

    class Options(fairbench.Method.Options):
        """Settings."""

        strength: float = Field(0.5, ge=0)
        memory: int | None = None

    options: Options
{rest}
'''


@pytest.fixture
def plugin(tmp_path):
    """Write a plug-in file; its path."""

    def write(name="mine", *, extra="", rest="", file="my_plugin.py"):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(PLUGIN.format(name=name, extra=extra, rest=rest), encoding="utf-8")
        return path

    return write
