"""Who teaches: a base of the track or a checkpoint, in the role of the robust or of the clean teacher."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from fairbench.errors import UsageError, unknown_name
from fairbench.files import sha256_file
from fairbench.launch.bases import FindBase, shipped_base
from fairbench.launch.brought import brought_teacher, how_to_get_teacher, normalisation_of_source
from fairbench.models import Normalisation, load_weights, model_names
from fairbench.protocol.track import Source, Track

ROLE_OF_NEED = {"teacher": "robust", "clean teacher": "clean"}
"""what a method says that it needs -> the role that fills it."""
_ROLES = tuple(ROLE_OF_NEED.values())
_WRITTEN = "[ROLE=]NAME, FILE or ARCH:FILE"


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A frozen network that a method asks for its answers."""

    role: str
    name: str
    """of a base, or ``file:<name>``."""
    architecture: str
    path: Path
    sha256: str
    """of the file, or ``cell:`` and the configuration that trains it here."""
    normalisation: Normalisation | None = None
    """of a published network whose file does not say; None is what is usual for the data set."""


def parse_teachers(texts: Iterable[str]) -> dict[str, str]:
    """``["trades", "clean=natural.safetensors"]`` by role; without a role the robust teacher is meant.

    Raises:
        UsageError: for an unknown role, or one that is filled twice.
    """
    given: dict[str, str] = {}
    for text in texts:
        role, equals, name = text.partition("=")
        if not (equals and re.fullmatch(r"\w+", role)):
            role, name = "robust", text
        if role not in _ROLES:
            raise unknown_name("teacher role", role, _ROLES, cure=f"The form is --teacher {_WRITTEN}")
        if not name:
            raise UsageError(f"cannot read --teacher {text!r}; the form is {_WRITTEN}")
        if role in given:
            raise UsageError(f"--teacher names the {role} teacher twice: {given[role]!r} and {name!r}; keep one")
        given[role] = name
    return given


def find_teachers(
    written: str, needs: Collection[str], given: Mapping[str, str], track: Track, *, find_base: FindBase | None = None
) -> tuple[Teacher, ...]:
    """The teachers that a method needs: those that were given, else the track's own.

    Args:
        written: the method, for the error.
        needs: what it must be given; other needs than teachers are passed over.
        given: role -> base of the track, checkpoint of the track's architecture, or ``ARCH:FILE``.
        track: whose bases and architecture are meant.
        find_base: gives the bases; by default those that ship.

    Raises:
        UsageError: if a role stays empty, or what fills it does not exist.
    """
    teachers = []
    for need, role in ROLE_OF_NEED.items():
        if need not in needs:
            continue
        name = given.get(role) or track.teachers.get(role)  # pyright: ignore[reportArgumentType]
        if name is None:
            raise UsageError(f"{written} needs a {role} teacher and track {track.name} has none; {_cure(role, track)}")
        teachers.append(_find(role, name, track, find_base))
    return tuple(teachers)


def check_all_used(given: Mapping[str, str], used: Iterable[tuple[Teacher, ...]]) -> None:
    """Refuse a teacher whom nobody asks.

    Raises:
        UsageError: naming the role.
    """
    asked = {teacher.role for teachers in used for teacher in teachers}
    for role, name in given.items():
        if role not in asked:
            raise UsageError(f"--teacher {role}={name}: none of the methods needs a {role} teacher; leave it out")


def teacher_label(teachers: tuple[Teacher, ...]) -> str:
    """Who taught, for configuration and page: two different files never share a label."""
    parts = {teacher.role: f"{teacher.name} ({teacher.architecture}, {teacher.sha256[:12]})" for teacher in teachers}
    return parts["robust"] if set(parts) == {"robust"} else ", ".join(f"{role} {part}" for role, part in parts.items())


def load_teacher(network: nn.Module, teacher: Teacher) -> None:
    """Load the teacher's weights.

    Raises:
        UsageError: if the file does not fit the network.
    """
    try:
        load_weights(network, teacher.path, normalisation=teacher.normalisation)
    except UsageError as error:
        raise UsageError(f"{teacher.role} teacher: {error}; for another network write ARCH:FILE") from None


def _find(role: str, name: str, track: Track, find_base: FindBase | None) -> Teacher:
    ships = name in track.teachers.values() and name not in track.sources
    if name in track.bases or ships:
        option = f"--teacher {role}=FILE"
        base = find_base(name, option) if find_base else shipped_base(name, track, option=option)
        assert base.path is not None
        assert base.identity is not None
        return Teacher(
            role=role,
            name=name,
            architecture=track.architecture,
            path=base.path,
            sha256=base.identity,
            normalisation=base.normalisation,
        )
    if name in track.sources:
        path = brought_teacher(name)
        if path is None:
            raise UsageError(how_to_get_teacher(name, track, option=f"--teacher {role}=FILE"))
        return _of_file(role, name, path, track.sources[name], track)
    return _given(role, name, track)


def _given(role: str, name: str, track: Track) -> Teacher:
    """A teacher that is a file; without an architecture, one like the track's own teacher."""
    own = track.sources.get(track.teachers.get(role, ""))  # pyright: ignore[reportArgumentType, reportCallIssue]
    architecture, colon, rest = name.partition(":")
    if colon and architecture in model_names():
        like = (
            own if own is not None and own.architecture == architecture else Source(where="", architecture=architecture)
        )
    else:
        like, rest = own, name
    path = Path(rest)
    if not path.is_file():
        offered = ", ".join(dict.fromkeys([*track.bases, *track.teachers.values()])) or "none"
        raise UsageError(
            f"--teacher {role}={name} is neither a file nor a base of track {track.name} ({offered}); "
            f"a file of another network is written ARCH:FILE with one of {', '.join(model_names())}"
        )
    return _of_file(role, f"file:{path.stem}", path, like, track)


def _of_file(role: str, name: str, path: Path, like: Source | None, track: Track) -> Teacher:
    return Teacher(
        role=role,
        name=name,
        architecture=(like and like.architecture) or track.architecture,
        path=path,
        sha256=sha256_file(path),
        normalisation=normalisation_of_source(like),
    )


def _cure(role: str, track: Track) -> str:
    if role == "robust":
        return f"name one: --teacher NAME, a base of the track ({', '.join(track.bases) or 'none'}), or --teacher FILE"
    return (
        f"make one with `fairbench run --track {track.name} --methods natural --init scratch` and give its "
        f"last.safetensors as --teacher {role}=FILE"
    )
