"""The zip archive of a bundle: written in one way only, and read only if it was written so.

Members are stored as they are, sorted, with a fixed date and plain flags. Reading checks the directory of the archive
before it looks at any member, copies the members into a temporary folder, packs them again and compares: a bit that is
not the content of a member has nowhere to hide, and whatever two readers of zip files could disagree on is refused.
"""

from __future__ import annotations

import filecmp
import shutil
import stat
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path

from fairbench.submissions.checks import FailedCheckError, require

KIB, MIB, GIB = 2**10, 2**20, 2**30
LIMITS: dict[str, int] = {
    "manifest.json": 64 * KIB,
    "card.yaml": 64 * KIB,
    "config.json": MIB,
    "environment.json": 64 * KIB,
    "record.json": 64 * MIB,
    "predictions.npz": 256 * MIB,
    "last_predictions.npz": 256 * MIB,
    "examples.npz": 256 * MIB,
    "model.safetensors": 3 * GIB // 2,
    "last.safetensors": 3 * GIB // 2,
    "network.py": MIB,
}
"""Every name that a member can have, and how many bytes it can have at most."""
OPTIONAL = ("last.safetensors", "last_predictions.npz", "examples.npz", "network.py")

_DATE = (1980, 1, 1, 0, 0, 0)
_END = struct.Struct("<4s4H2LH")
"""End of the central directory: signature, two disk numbers, two counts, size, offset, length of a comment."""
_END_SIGNATURE, _MEMBER_SIGNATURE = b"PK\x05\x06", b"PK\x03\x04"
_UNIX = 3
_PLAIN_FILE = stat.S_IFREG | 0o644
_CHUNK = MIB


def write_archive(archive: Path, folder: Path, names: Iterable[str]) -> None:
    """Pack files; the same files give the same bytes.

    Args:
        archive: the file to write.
        folder: where the files are.
        names: of the members.
    """
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, allowZip64=False) as packed:
        for name in sorted(names):
            member = zipfile.ZipInfo(name, _DATE)
            member.create_system, member.external_attr = _UNIX, _PLAIN_FILE << 16
            member.file_size = (folder / name).stat().st_size
            with (folder / name).open("rb") as source, packed.open(member, "w") as target:
                shutil.copyfileobj(source, target, _CHUNK)


def read_archive(archive: Path, folder: Path) -> list[str]:
    """Unpack a bundle into an empty temporary folder; nothing is written elsewhere.

    Args:
        archive: the file, from anybody.
        folder: a temporary folder.

    Returns:
        The names of the members, sorted.

    Raises:
        FailedCheckError: with the name of the check that failed.
    """
    _check_ends(archive)
    try:
        with zipfile.ZipFile(archive) as packed:
            members = packed.infolist()
            _check_members(members, archive.stat().st_size)
            for member in members:
                with packed.open(member) as source, (folder / member.filename).open("xb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
    except FailedCheckError:
        raise
    except Exception as error:  # foreign bytes can break the reader in any way
        raise FailedCheckError("archive-format", f"the archive is damaged ({type(error).__name__}: {error})") from None
    names = sorted(member.filename for member in members)
    again = folder / ".again"
    write_archive(again, folder, names)
    is_same = filecmp.cmp(archive, again, shallow=False)
    again.unlink()
    require(is_same, "archive-canonical", "the archive is not what `fairbench submit pack` writes for its members")
    return names


def _check_ends(archive: Path) -> None:
    """The first and the last bytes, before any library parses what lies between."""
    size = archive.stat().st_size
    require(size > _END.size, "archive-format", f"{size} bytes are no zip archive")
    require(size <= sum(LIMITS.values()), "archive-size", f"{size} bytes are more than a bundle can have")
    with archive.open("rb") as stream:
        first = stream.read(4)
        stream.seek(size - _END.size)
        signature, disk, disk_of_start, here, count, length, offset, comment = _END.unpack(stream.read(_END.size))
    is_zip = first == _MEMBER_SIGNATURE and signature == _END_SIGNATURE
    require(is_zip, "archive-format", "it does not begin and end as a zip archive; something stands before or behind")
    is_one_piece = (disk, disk_of_start, comment) == (0, 0, 0) and offset + length + _END.size == size
    require(is_one_piece, "archive-format", "the archive has several parts, a comment, or bytes that belong to none")
    require(here == count, "archive-format", f"the archive says that it has {here} members, and {count}")
    require(count <= len(LIMITS), "archive-entries", f"{count} members, a bundle has at most {len(LIMITS)}")


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """The directory of the archive, check by check in the order of ``CHECKS``."""
    require(len(members) <= len(LIMITS), "archive-entries", f"{len(members)} members, at most {len(LIMITS)}")
    folded = [member.filename.casefold() for member in members]
    for member, name in zip(members, folded, strict=True):
        require(folded.count(name) == 1, "archive-duplicates", f"{_shown(member.filename)} is there twice")
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        is_plain = kind in (0, stat.S_IFREG) and not member.is_dir() and not member.external_attr & 0x10
        require(is_plain, "archive-links", f"{_shown(member.filename)} is a link, a folder or a device")
    for member in members:
        is_known = member.filename in LIMITS and member.orig_filename == member.filename
        require(is_known, "archive-names", f"{_shown(member.orig_filename)} is no file of a bundle")
    for member in members:
        is_stored = member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
        is_stored = is_stored and not member.flag_bits & 0x1
        stored = f"{member.filename} is compressed or encrypted; a bundle stores its files as they are"
        require(is_stored, "archive-compression", stored)
    for member in members:
        allowed = f"{member.filename} has {member.file_size} bytes, at most {LIMITS[member.filename]} are allowed"
        require(member.file_size <= LIMITS[member.filename], "archive-size", allowed)
    total = sum(member.file_size for member in members)
    require(total < size, "archive-size", f"the members claim {total} bytes, the archive has {size}")


def _shown(name: str) -> str:
    """A foreign name, short and without characters that a terminal would obey."""
    return ascii(name[:80])
