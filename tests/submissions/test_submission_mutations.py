"""Random damage to a bundle or to the record in it: refused with a reason, whatever it is."""

import json
import random
import zipfile

import pytest

from fairbench.files import json_bytes
from fairbench.protocol.record import Record
from fairbench.submissions.archive import read_archive
from fairbench.submissions.checks import CHECKS, FailedCheckError

SHORT, LONG = 150, 1500
RECORDS_SHORT, RECORDS_LONG = 40, 500


def flip(content: bytearray, rng: random.Random) -> None:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def overwrite(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content))
    for index in range(start, min(len(content), start + rng.randint(1, 40))):
        content[index] = rng.randrange(256)


def remove(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content))
    del content[start : start + rng.randint(1, 2000)]


def insert(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content) + 1)
    content[start:start] = rng.randbytes(rng.randint(1, 200))


def repeat(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content))
    content[start:start] = content[start : start + rng.randint(1, 2000)]


def move(content: bytearray, rng: random.Random) -> None:
    start, length = rng.randrange(len(content)), rng.randint(1, 500)
    piece = content[start : start + length]
    del content[start : start + length]
    other = rng.randrange(len(content) + 1)
    content[other:other] = piece


def truncate(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(len(content)) :]


def swell(content: bytearray, rng: random.Random) -> None:
    """A length or an offset that is far too large."""
    start = rng.randrange(max(1, len(content) - 4))
    content[start : start + 4] = b"\xff\xff\xff\x7f"


DAMAGE = (flip, flip, flip, overwrite, remove, insert, repeat, move, truncate, swell)


def damaged(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    while bytes(changed) == content:
        # The directory at the end is small and matters most: it gets a share of its own.
        place = slice(max(0, len(content) - 1200), None) if rng.random() < 0.4 else slice(None)
        part = bytearray(changed[place])
        rng.choice(DAMAGE)(part, rng)
        changed[place] = part
        if not changed:
            break
    return bytes(changed)


def attack_bundle(bench, bundle, tmp_path, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "damaged.zip"
    path.write_bytes(damaged(bundle.read_bytes(), rng))
    assert bench.refused(path) in CHECKS, seed


@pytest.mark.parametrize("part", range(3))
def test_a_damaged_bundle_is_refused_with_a_reason(bench, bundle, tmp_path, part):
    for seed in range(part * SHORT // 3, (part + 1) * SHORT // 3):
        attack_bundle(bench, bundle, tmp_path, seed)


@pytest.mark.prove
@pytest.mark.parametrize("part", range(10))
def test_a_damaged_bundle_is_refused_with_a_reason_long(bench, bundle, tmp_path, part):
    for seed in range(10_000 + part * LONG // 10, 10_000 + (part + 1) * LONG // 10):
        attack_bundle(bench, bundle, tmp_path, seed)


def test_no_bit_outside_of_the_members_can_be_flipped(bundle, tmp_path):
    """Every bit of headers and directory would be millions of runs; each byte once is enough to find a gap."""
    content = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        inside = set()
        for member in archive.infolist():
            start = member.header_offset + 30 + len(member.filename)
            inside |= {start, start + member.file_size}
            inside.update(range(start, start + member.file_size))
    outside = [index for index in range(len(content)) if index not in inside]
    assert 500 < len(outside) < 3000
    for index in random.Random(0).sample(outside, 250):
        changed = bytearray(content)
        changed[index] ^= 1 << index % 8
        path, folder = tmp_path / "b.zip", tmp_path / f"unpacked{index}"
        path.write_bytes(changed)
        folder.mkdir()
        with pytest.raises(FailedCheckError) as refusal:
            read_archive(path, folder)
        assert refusal.value.check.startswith("archive-"), index


CLAIMS = {
    "title",
    "paper",
    "link",
    "seconds",
    "environment",
    "hidden_settings",
    "inner_attack",
    "selected_epoch",
    "epochs",
    "epoch",
    "undefined",
    "asked_batch_size",
    "batch_size",
    "micro_batch",
    "threads",
    "checks",
    "file_sha256",
    "findings",
    "test_evaluations",
}
"""parts of a record that are the author's word, wherever they stand; the threat model says so"""


def leaves(values, path=()):
    if isinstance(values, dict):
        for key, value in values.items():
            yield from leaves(value, (*path, key))
    elif isinstance(values, list) and values:
        for index, value in enumerate(values):
            yield from leaves(value, (*path, index))
    else:
        yield path


def other_value(value, rng: random.Random):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice([value + 1, value - 1, -value - 1, value + 2**40, str(value), None])
    if isinstance(value, float):
        return rng.choice([value + 1e-6, 1 - value + 1e-3, value * 2 + 0.5, -1.0, 1e308, "0.5"])
    if isinstance(value, str):
        return rng.choice([value + "x", value[1:] + "y", "", "x" * 5000, "../../etc/passwd", "\u202e", 3])
    return rng.choice([0, "x", {"a": 1}])


def changed_record(record: bytes, rng: random.Random) -> tuple[bytes, tuple]:
    values = json.loads(record)
    path = rng.choice(sorted(leaves(values), key=str))
    place = values
    for key in path[:-1]:
        place = place[key]
    action = rng.random()
    if action < 0.8:
        place[path[-1]] = other_value(place[path[-1]], rng)
    elif action < 0.9:
        del place[path[-1]]
    elif isinstance(place, dict):
        place[f"{path[-1]}_"] = 1
    else:
        place.append(place[-1])
    return json_bytes(values), path


def _record_or_none(content: bytes) -> Record | None:
    try:
        return Record.model_validate_json(content)
    except ValueError:
        return None


def attack_record(bench, members, record: bytes, seed: int) -> str:
    rng = random.Random(seed)
    content, path = changed_record(record, rng)
    (members / "record.json").write_bytes(content)
    verdict = bench.verify(bench.packed(members), images=3)
    assert verdict.verified or verdict.failure.detail
    # Leaving out what has its default says the same.
    says_the_same = Record.model_validate_json(record) == _record_or_none(content)
    if not CLAIMS & set(map(str, path)) and not says_the_same:
        assert not verdict.verified, (seed, path)
    return "accepted" if verdict.verified else verdict.failure.name


def test_a_changed_record_with_hashes_that_fit_is_refused(bench):
    members = bench.unpacked()
    record = (members / "record.json").read_bytes()
    outcomes = [attack_record(bench, members, record, seed) for seed in range(RECORDS_SHORT)]
    assert len(set(outcomes)) > 2
    assert outcomes.count("accepted") < RECORDS_SHORT / 4


@pytest.mark.prove
@pytest.mark.parametrize("part", range(10))
def test_a_changed_record_with_hashes_that_fit_is_refused_long(bench, part):
    members = bench.unpacked()
    record = (members / "record.json").read_bytes()
    for seed in range(part * RECORDS_LONG // 10, (part + 1) * RECORDS_LONG // 10):
        attack_record(bench, members, record, 20_000 + seed)
