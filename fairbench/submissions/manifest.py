"""The manifest of a bundle: size and sha256 of every other member, and a seal over itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field

from fairbench.errors import UsageError
from fairbench.files import json_bytes, sha256_file
from fairbench.protocol.schema import Schema, validated
from fairbench.protocol.versions import Upgrade, upgraded
from fairbench.submissions.archive import LIMITS, OPTIONAL
from fairbench.submissions.checks import FailedCheckError, require
from fairbench.submissions.content import read_strict_json

MANIFEST_NAME = "manifest.json"
MANIFEST_VERSION = 1
MANIFEST_UPGRADES: dict[int, Upgrade] = {}
"""Schema version of a manifest -> what makes the next version of it."""


class Member(Schema):
    """One file of a bundle."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(Schema):
    """All files of a bundle but the manifest itself."""

    schema_version: Literal[1] = MANIFEST_VERSION
    files: dict[str, Member]
    seal: str = Field(pattern=r"^[0-9a-f]{64}$")
    """sha256 over the members' names, sizes and hashes: names the content of the bundle."""


def manifest_of(folder: Path, names: Iterable[str]) -> Manifest:
    """The manifest of files in a folder.

    Args:
        folder: where the files are.
        names: of the files.
    """
    files = {
        name: Member(bytes=(folder / name).stat().st_size, sha256=sha256_file(folder / name)) for name in sorted(names)
    }
    return Manifest(files=files, seal=seal_of(files))


def seal_of(files: dict[str, Member]) -> str:
    """The sha256 over names, sizes and hashes.

    Args:
        files: name -> size and hash.
    """
    described = {name: member.model_dump(mode="json") for name, member in sorted(files.items())}
    return hashlib.sha256(json_bytes(described)).hexdigest()


def check_manifest(folder: Path, names: list[str]) -> Manifest:
    """The manifest of an unpacked bundle, if it names all members and no others.

    Args:
        folder: with the members.
        names: of the members, the manifest's among them.

    Raises:
        FailedCheckError: ``manifest``.
    """
    absent = [name for name in LIMITS if name not in names and name not in OPTIONAL]
    require(not absent, "manifest", f"the bundle lacks {', '.join(absent)}")
    values = read_strict_json(folder / MANIFEST_NAME, "manifest")
    try:
        values = upgraded(values, current=MANIFEST_VERSION, upgrades=MANIFEST_UPGRADES, place=MANIFEST_NAME)
        manifest = validated(Manifest, values, place=MANIFEST_NAME)
    except UsageError as error:
        raise FailedCheckError("manifest", str(error)) from None
    odd = sorted(set(manifest.files) ^ (set(names) - {MANIFEST_NAME}))
    require(not odd, "manifest", f"only the manifest or only the archive has {ascii(odd)[:200]}")
    require(manifest.seal == seal_of(manifest.files), "manifest", "its seal does not fit its files: it was edited")
    return manifest


def check_hashes(folder: Path, manifest: Manifest) -> None:
    """That every member is the one of the manifest.

    Raises:
        FailedCheckError: ``hashes``.
    """
    for name, member in manifest.files.items():
        size = (folder / name).stat().st_size
        require(size == member.bytes, "hashes", f"{name} has {size} bytes, the manifest says {member.bytes}")
        came = sha256_file(folder / name)
        differ = f"{name} has sha256 {came[:12]}..., the manifest says {member.sha256[:12]}..."
        require(came == member.sha256, "hashes", differ)
