"""Files that are either whole or not there: a temporary name in the same folder, then a rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from fairbench.errors import UsageError

_TEMPORARY = ".part"
_NUMBERS = re.compile(r"\[\n\s*([-+.\deE]+(?:,\n\s*[-+.\deE]+)*)\n\s*\]")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to; on success it becomes ``path``, on failure it is removed.

    Raises:
        UsageError: if the folder cannot be written or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True) if temporary.parent.is_dir() else None


def cannot_write(path: Path, error: OSError) -> UsageError:
    """The error for a file that could not be written, with its cure."""
    if error.errno == errno.ENOSPC:
        return UsageError(f"cannot write {path}: the disk is full; free some space and run the same command again")
    reason = error.strerror or str(error)
    return UsageError(f"cannot write {path}: {reason.lower()}; choose another folder with --out")


def write_text(path: Path, text: str) -> None:
    """Write a whole text file, UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any) -> None:
    """Write JSON that diffs well: indented, lists of numbers on one line, keys in their given order, a last newline."""
    write_text(path, json_bytes(values).decode())


def json_bytes(values: Any) -> bytes:
    r"""What ``write_json`` writes, UTF-8.

    >>> json_bytes({"worst": 0.5})
    b'{\n "worst": 0.5\n}\n'

    Raises:
        ValueError: for numbers that are not finite.
    """
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    # No string of JSON holds a line end, so the brackets that are found are those of lists.
    return (_NUMBERS.sub(_on_one_line, text) + "\n").encode()


def _on_one_line(numbers: re.Match[str]) -> str:
    return f"[{' '.join(numbers[1].split())}]"


def read_json(path: Path, *, cure: str) -> Any:
    """The values of a JSON file.

    Raises:
        UsageError: if it is missing or damaged; ``cure`` says what to do then.
    """
    try:
        return _parsed(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}; {cure}") from None
    except ValueError as error:
        raise UsageError(f"{path} is damaged ({error}); {cure}") from None


def _parsed(text: bytes) -> Any:
    # Several times faster than the standard library, which alone reads half a character, such as \ud800.
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text.decode())


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
