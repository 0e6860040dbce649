"""Forgeries with hashes that fit: each is refused by the check that is there for it, and none of their code runs."""

import shutil
import tempfile

import forged_numbers
import forged_words
import pytest
from bundle_tools import edit_json
from forgery_tools import FORGERIES

assert forged_words  # it enters its forgeries when it is imported


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_by_the_check_that_is_there_for_it(bench, tmp_path, monkeypatch, name):
    edit, check = FORGERIES[name]
    members = bench.unpacked()
    edit(members)
    forged = bench.packed(members)
    shutil.rmtree(members)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    verdict = bench.verify(forged)
    assert not verdict.verified
    assert verdict.failure.name == check, verdict.failure
    assert verdict.failure.detail.isprintable()
    assert not (tmp_path / "mark").exists(), "code of the bundle has run"
    assert not list(temporary.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {forged.name, "temporary"}


def test_there_are_more_than_thirty_forgeries():
    assert len(FORGERIES) >= 30


@pytest.mark.parametrize(
    ("edit", "check"),
    [
        (lambda values: values["files"].pop("card.yaml") and None, "manifest"),
        (lambda values: values["files"].update({"more.json": values["files"]["card.yaml"]}), "manifest"),
        (lambda values: values.update(seal="00" * 32), "manifest"),
        (lambda values: values["files"]["card.yaml"].update(sha256="00" * 32), "manifest"),
        (lambda values: values.update(schema_version=2), "manifest"),
        (lambda values: values.update(files=[]), "manifest"),
    ],
)
def test_a_manifest_that_was_edited_is_refused(bench, edit, check):
    members = bench.unpacked()
    edit_json(members / "manifest.json", edit)
    assert bench.refused(bench.packed(members, manifest=False)) == check


@pytest.mark.parametrize("name", ["record.json", "predictions.npz", "model.safetensors", "examples.npz"])
def test_a_member_that_is_not_that_of_the_manifest_is_refused(bench, name):
    members = bench.unpacked()
    content = bytearray((members / name).read_bytes())
    content[len(content) // 2] ^= 1
    (members / name).write_bytes(content)
    assert bench.refused(bench.packed(members, manifest=False)) == "hashes"


@pytest.mark.parametrize("name", ["record.json", "card.yaml", "config.json", "model.safetensors", "manifest.json"])
def test_a_member_that_is_missing_is_refused(bench, name):
    members = bench.unpacked()
    (members / name).unlink()
    assert bench.refused(bench.packed(members, manifest=False)) == "manifest"


def test_false_outcomes_that_the_examples_miss_are_caught_by_asking_again(bench, monkeypatch):
    """A forger may try until the examples look honest; the images asked again are drawn after that."""
    members = bench.unpacked()
    forged_numbers.raise_outcomes(members, 0.5)
    (members / "examples.npz").unlink()
    monkeypatch.setattr("fairbench.submissions.verify.check_examples", lambda *_: "as if they were honest")
    forged = bench.packed(members)
    assert bench.refused(forged, images=300) == "rerun"
    assert bench.refused(forged, full=True) == "rerun"


def test_code_runs_only_when_it_is_allowed(bench, tmp_path):
    members = bench.unpacked()
    forged_numbers.a_network_nobody_knows(members)
    code = (
        "from fairbench.models import create_model\n"
        f"open({str(tmp_path / 'mark')!r}, 'w').close()\n"
        "def build(*, num_classes, image_shape):\n"
        "    return create_model('cnn_tiny', num_classes=num_classes, image_shape=image_shape)\n"
    )
    (members / "network.py").write_text(code, "utf-8")
    forged = bench.packed(members)
    verdict = bench.verify(forged)
    assert verdict.failure.name == "architecture"
    assert "its code was not run; read network.py, then give --allow-code" in verdict.failure.detail
    assert not (tmp_path / "mark").exists()
    assert bench.verify(forged, allow_code=True).verified
    assert (tmp_path / "mark").exists()
