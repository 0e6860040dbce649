"""Reading the members of a bundle: foreign bytes become plain values, or a failed check with the reason."""

from __future__ import annotations

import ast
import json
import math
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import yaml

from fairbench.files import json_bytes
from fairbench.submissions.checks import FailedCheckError, require

_STARTS = {".json": b"{", ".npz": b"PK\x03\x04"}
_HEADER_LENGTH = 8
_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_TEXT = (".json", ".yaml", ".py")


def check_start(path: Path) -> None:
    """That a member begins as its name says.

    Raises:
        FailedCheckError: ``contents``.
    """
    with path.open("rb") as stream:
        head = stream.read(512)
    expected = _STARTS.get(path.suffix, b"")
    require(head.startswith(expected), "contents", f"{path.name} does not begin as such a file does: {head[:8]!r}")
    if path.suffix == ".safetensors":
        length = int.from_bytes(head[:_HEADER_LENGTH], "little")
        fits = 2 <= length <= path.stat().st_size - _HEADER_LENGTH and head[_HEADER_LENGTH : _HEADER_LENGTH + 1] == b"{"
        require(fits, "contents", f"{path.name} does not begin as such a file does: {head[:9]!r}")
    if path.suffix in _TEXT:
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise FailedCheckError("contents", f"{path.name} is no UTF-8 text ({error.reason})") from None
        require("\x00" not in text, "contents", f"{path.name} is no text")
    if path.suffix == ".npz":
        _check_arrays(path)


def read_strict_json(path: Path, check: str) -> Any:
    """The values of a JSON file that is laid out as fairbench lays it out.

    Raises:
        FailedCheckError: if it is damaged, names a key twice, holds what is no number, or is laid out otherwise.
    """
    content = path.read_bytes()
    try:
        values = json.loads(content, parse_constant=_no_number)
        is_same = json_bytes(values) == content
    except (ValueError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        raise FailedCheckError(check, f"{path.name} is damaged ({reason[:200]})") from None
    require(is_same, check, f"{path.name} is not laid out as fairbench writes it: a key twice, or other spaces")
    return values


def read_plain_yaml(path: Path, check: str) -> Any:
    """The values of a YAML file without anchors, so that its content is as large as its text.

    Raises:
        FailedCheckError: if it is damaged or uses anchors or tags.
    """
    text = path.read_text("utf-8")
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            is_plain = not isinstance(event, yaml.AliasEvent) and getattr(event, "anchor", None) is None
            require(is_plain, check, f"{path.name} uses anchors; write everything out")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FailedCheckError(check, f"{path.name} cannot be read ({' '.join(str(error).split())[:200]})") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _check_arrays(path: Path) -> None:
    """That an npz file holds stored arrays as large as they claim, so that reading it needs no more memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                is_stored = member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
                is_stored = is_stored and member.file_size < path.stat().st_size
                require(is_stored, "contents", f"{path.name} has compressed arrays")
                with archive.open(member) as stream:
                    _check_header(stream.read(256), member.file_size, f"{path.name}/{member.filename[:80]!a}")
    except FailedCheckError:
        raise
    except Exception as error:  # foreign bytes can break the reader in any way
        reason = f"{type(error).__name__}: {error}"[:200]
        raise FailedCheckError("contents", f"{path.name} is damaged ({reason})") from None


def _check_header(head: bytes, size: int, place: str) -> None:
    require(head.startswith(_NPY_MAGIC), "contents", f"{place} is no array: {head[:8]!r}")
    length = int.from_bytes(head[8:10], "little")
    end = 10 + length
    require(end <= len(head), "contents", f"{place} has a header of {length} bytes")
    header = ast.literal_eval(head[10:end].decode("latin1"))
    kind = str(header["descr"])
    is_plain = kind[:1] in "<|" and kind[1:2] in "uifU" and kind[2:].isdigit() and header["fortran_order"] is False
    require(is_plain, "contents", f"{place} holds {kind[:20]!r}, expected numbers or names")
    item = int(kind[2:]) * (4 if kind[1] == "U" else 1)
    wanted = end + item * math.prod(int(side) for side in header["shape"])
    require(wanted == size, "contents", f"{place} claims {wanted} bytes and has {size}")
