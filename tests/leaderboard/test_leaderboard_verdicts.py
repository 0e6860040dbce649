"""A row is verified when a verdict beside each of its records is about that record, and says so."""

import json

import pytest
from synthetic import make_record, make_values, write_values

from fairbench.errors import UsageError
from fairbench.evaluation.records import record_sha256
from fairbench.leaderboard.ranking import rank
from fairbench.leaderboard.records import load_runs, verified_records


def write_verdict(path, *, verified=True, **changes):
    outcome = "passed" if verified else "failed"
    values = {
        "schema_version": 1,
        "verified": verified,
        "bundle_sha256": "ab" * 32,
        "record_sha256": record_sha256(load_runs(path)[0].record),
        "seed": 7,
        "asked_again": 300,
        "full": False,
        "fairbench": "0.1.0",
        "checks": [{"name": "hashes", "outcome": outcome, "detail": ""}],
    } | changes
    path.with_name("verdict.json").write_text(json.dumps(values), encoding="utf-8")


def entries(folder):
    runs = load_runs(folder)
    return {e.record.method: e.verified for e in rank((r.record for r in runs), verified=verified_records(runs))}


def test_a_row_is_verified_only_if_every_seed_is(tmp_path):
    for method, seeds in {"all": "vv", "some": "v.", "one_failed": "v!", "none": ".."}.items():
        for seed, kind in enumerate(seeds):
            path = write_values(tmp_path, make_values(method, seed=seed))
            if kind != ".":
                write_verdict(path, verified=kind == "v")
    assert entries(tmp_path) == {"all": True, "some": None, "one_failed": False, "none": None}


def test_a_record_changed_after_its_verdict_is_not_verified(tmp_path):
    values = make_values("edited")
    path = write_values(tmp_path, values)
    write_verdict(path)
    assert entries(tmp_path) == {"edited": True}
    write_values(tmp_path, values | {"title": "Something better"})
    assert entries(tmp_path) == {"edited": False}


def test_the_layout_of_the_file_does_not_matter_to_the_verdict(tmp_path):
    path = write_values(tmp_path, make_values("laid_out"))
    write_verdict(path)
    values = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(dict(reversed(values.items())), indent=4), encoding="utf-8")
    assert load_runs(path)[0].verified is True


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checks": [{"name": "hashes", "outcome": "failed", "detail": ""}]}, "verified does not follow"),
        ({"checks": [{"name": "hashes", "outcome": "skipped", "detail": ""}]}, "verified does not follow"),
        ({"schema_version": 2}, "schema_version = 2"),
        ({"verifed": True}, "unknown key 'verifed'; did you mean verified"),
    ],
)
def test_a_damaged_verdict_is_refused(tmp_path, changes, message):
    path = write_values(tmp_path, make_values("faal"))
    write_verdict(path, **changes)
    with pytest.raises(UsageError, match=f"verdict.json is damaged: .*{message}"):
        load_runs(tmp_path)


def test_without_verdicts_nothing_is_said():
    assert [entry.verified for entry in rank([make_record("faal")])] == [None]
