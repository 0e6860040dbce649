"""The command line that makes a record again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from fairbench.protocol.conditions import is_battery_departure
from fairbench.protocol.record import Record
from fairbench.protocol.track import Track, load_track, track_names

_DEPARTURE = re.compile(r"(?P<key>[a-z_.]+) = (?P<value>.+) instead of .+")
_IN_YAML = {"None": "null", "True": "true", "False": "false"}
_TEACHER = re.compile(r"(?:^|, )(?:(?P<role>robust|clean) )?(?P<name>\S+) \(")


def command_of(record: Record) -> str:
    """The command that trains and evaluates the same again, ready for a shell; empty where none would be enough."""
    is_base = record.method.startswith("base:")
    if (record.training is None and not is_base) or record.origin != "built-in" or record.track not in track_names():
        return ""
    track = load_track(record.track)
    words = ["fairbench", "run", "--track", track.name, "--methods", record.method, "--seeds", str(record.seed)]
    words += ["--init", record.init] if record.init != track.init and not is_base else []
    words += _teachers(record, track)
    for departure in record.departures:
        if is_battery_departure(departure):
            words += _flag("battery.conditions", f"[{', '.join(record.conditions)}]")
            continue
        found = _DEPARTURE.fullmatch(departure)
        if found is None:
            return ""
        words += _flag(found["key"], found["value"])
    return shlex.join(words)


def _teachers(record: Record, track: Track) -> Iterator[str]:
    """The flags of the teachers that are not the track's own."""
    label = record.training.config.get("teacher") if record.training else None
    for found in _TEACHER.finditer(label if isinstance(label, str) else ""):
        role = "clean" if found["role"] == "clean" else "robust"
        if track.teachers.get(role) != found["name"]:
            yield from ("--teacher", f"{role}={found['name']}")


def _flag(key: str, value: str) -> tuple[str, str]:
    if key == "dataset":
        return "--dataset", value
    # A departure shows values as Python does and the flag reads YAML, where lists look alike and these three do not.
    return "--set", f"{key}={_IN_YAML.get(value, value)}"
