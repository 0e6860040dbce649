"""Hostile archives: refused for what they are before anything is written outside a temporary folder."""

import io
import struct
import tempfile
import warnings
import zipfile

import pytest

from fairbench.submissions.archive import LIMITS, read_archive
from fairbench.submissions.checks import FailedCheckError

PLAIN = 0o100644 << 16


def zipped(*members, comment=b"", compression=zipfile.ZIP_STORED):
    """A zip file of (name or ZipInfo, content), by the library and not by us."""
    content = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(content, "w", compression) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(name, data)
        archive.comment = comment
    return content.getvalue()


def info(name, **values):
    member = zipfile.ZipInfo(name)
    member.external_attr = PLAIN
    for key, value in values.items():
        setattr(member, key, value)
    return member


def claims(content, *, size):
    """The same archive, whose directory claims another size for its first member."""
    at = content.index(b"PK\x01\x02")
    return content[: at + 20] + struct.pack("<LL", size, size) + content[at + 28 :]


def with_count(content, count):
    at = len(content) - 22
    return content[: at + 8] + struct.pack("<HH", count, count) + content[at + 12 :]


RECORD = ("record.json", b"{}\n")
HOSTILE = {
    "nothing": (b"", "archive-format"),
    "text": (b"hello, I am a bundle and long enough for one", "archive-format"),
    "a program": (b"\x7fELF" + bytes(100), "archive-format"),
    "a gzip file": (b"\x1f\x8b\x08" + bytes(100), "archive-format"),
    "a pickle": (b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR." + bytes(30), "archive-format"),
    "bytes before": (b"#!/bin/sh\n" + zipped(RECORD), "archive-format"),
    "bytes behind": (zipped(RECORD) + b"more", "archive-format"),
    "a comment": (zipped(RECORD, comment=b"hi"), "archive-format"),
    "an empty archive": (zipped(), "archive-format"),
    "two archives in one": (zipped(RECORD) + zipped(RECORD), "archive-format"),
    "another count": (with_count(zipped(RECORD), 2), "archive-canonical"),
    "a zip bomb": (zipped(("record.json", bytes(10**7)), compression=zipfile.ZIP_DEFLATED), "archive-compression"),
    "a bzip2 bomb": (zipped(("record.json", bytes(10**6)), compression=zipfile.ZIP_BZIP2), "archive-compression"),
    "an lzma bomb": (zipped(("record.json", bytes(10**6)), compression=zipfile.ZIP_LZMA), "archive-compression"),
    "thousands of files": (zipped(*((f"f{index}", b"") for index in range(3000))), "archive-entries"),
    "a path upwards": (zipped(("../record.json", b"{}")), "archive-names"),
    "a path in the middle": (zipped(("a/../../record.json", b"{}")), "archive-names"),
    "an absolute path": (zipped(("/tmp/record.json", b"{}")), "archive-names"),
    "a path of windows": (zipped(("..\\record.json", b"{}")), "archive-names"),
    "a drive": (zipped(("C:record.json", b"{}")), "archive-names"),
    "a name cut by a zero": (zipped(("record.json_.py", b"{}")).replace(b"_", b"\0"), "archive-names"),
    "a name that obeys a terminal": (zipped(("\x1b[2Jrecord.json", b"{}")), "archive-names"),
    "a name in other letters": (zipped(("rеcord.json", b"{}")), "archive-names"),  # noqa: RUF001 - the point
    "another file": (zipped(("setup.py", b"import os")), "archive-names"),
    "an archive in the archive": (zipped(("inner.zip", zipped(RECORD))), "archive-names"),
    "a name twice": (zipped(RECORD, RECORD), "archive-duplicates"),
    "a name twice in two cases": (zipped(RECORD, ("RECORD.json", b"{}")), "archive-duplicates"),
    "a symbolic link": (zipped((info("record.json", external_attr=0o120777 << 16), b"/etc/passwd")), "archive-links"),
    "a named pipe": (zipped((info("record.json", external_attr=0o010644 << 16), b"")), "archive-links"),
    "a device": (zipped((info("record.json", external_attr=0o020644 << 16), b"")), "archive-links"),
    "a folder": (zipped((info("record.json/", external_attr=0o040755 << 16 | 0x10), b"")), "archive-links"),
    "too large a file": (zipped(("card.yaml", bytes(2**17))), "archive-size"),
    "more than there is": (claims(zipped(RECORD), size=2**15), "archive-size"),
    "a size that lies": (claims(zipped(RECORD, ("card.yaml", bytes(99))), size=20), "archive-format"),
    "another tool's archive": (zipped(RECORD), "archive-canonical"),
    "an extra field": (zipped((info("record.json", extra=b"\x99\x99\x01\x00x"), b"{}")), "archive-canonical"),
    "a member's comment": (zipped((info("record.json", comment=b"psst"), b"{}")), "archive-canonical"),
    "executable": (zipped((info("record.json", external_attr=0o100755 << 16), b"{}")), "archive-canonical"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_by_its_named_check(tmp_path, name):
    content, check = HOSTILE[name]
    (tmp_path / "b.zip").write_bytes(content)
    (tmp_path / "inside" / "unpacked").mkdir(parents=True)
    with pytest.raises(FailedCheckError) as refusal:
        read_archive(tmp_path / "b.zip", tmp_path / "inside" / "unpacked")
    assert refusal.value.check == check, refusal.value.detail
    assert refusal.value.detail.isprintable()
    assert [path.name for path in (tmp_path / "inside").iterdir()] == ["unpacked"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.zip", "inside"]


@pytest.mark.parametrize("name", HOSTILE)
def test_verification_leaves_nothing_behind(bench, tmp_path, monkeypatch, name):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (tmp_path / "b.zip").write_bytes(HOSTILE[name][0])
    assert bench.refused(tmp_path / "b.zip") == HOSTILE[name][1]
    assert not list(temporary.iterdir())


def test_no_bomb_is_swollen_up(tmp_path):
    """Ten megabytes of zeros in a few kilobytes: not even the first of them is read."""
    content = HOSTILE["a zip bomb"][0]
    assert len(content) < 20_000
    (tmp_path / "b.zip").write_bytes(content)
    (tmp_path / "unpacked").mkdir()
    with pytest.raises(FailedCheckError, match=r"archive-compression: record\.json is compressed"):
        read_archive(tmp_path / "b.zip", tmp_path / "unpacked")
    assert not list((tmp_path / "unpacked").iterdir())


def test_a_bundle_stays_below_what_needs_the_large_format():
    assert sum(LIMITS.values()) < 2**32
