"""An honest run is packed, verified and becomes a row; the same run gives the same bundle."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from bundle_tools import edit_json

from fairbench.errors import UsageError, WorkError
from fairbench.evaluation.predictions import read_predictions
from fairbench.leaderboard.records import load_runs
from fairbench.protocol.verdict import Verdict
from fairbench.report.render import write_report
from fairbench.submissions.add import add_entry
from fairbench.submissions.checks import CHECKS
from fairbench.submissions.examples import read_examples
from fairbench.submissions.pack import pack

CPU = torch.device("cpu")


def test_an_honest_bundle_passes_every_check(bench, bundle):
    verdict = bench.verify(bundle)
    assert {check.name: check.outcome for check in verdict.checks} == dict.fromkeys(CHECKS, "passed")
    assert verdict.verified
    assert Verdict.model_validate(json.loads(verdict.model_dump_json())) == verdict


def detail_of(name, verdict):
    (found,) = [check.detail for check in verdict.checks if check.name == name]
    return found


def test_every_image_asked_again_comes_back_bit_for_bit(bench, bundle):
    verdict = bench.verify(bundle, full=True)
    assert verdict.verified
    assert verdict.asked_again == 450
    assert "(the same kind of machine)" in detail_of("rerun", verdict)


def test_the_same_run_gives_the_same_bundle(run_folder, load_data, bundle, tmp_path):
    again = pack(run_folder, tmp_path / "again.zip", load_data, device=CPU)
    assert again.read_bytes() == bundle.read_bytes()


def test_the_seed_is_drawn_anew_each_time(bench, bundle):
    seeds = {bench.verify(bundle, seed=None, images=0).seed for _ in range(3)}
    assert len(seeds) == 3


def test_a_maintainer_can_choose_the_images_of_the_examples_afterwards(bench, run_folder, load_data, bundle, tmp_path):
    asked = pack(run_folder, tmp_path / "asked.zip", load_data, device=CPU, examples_seed=1234)
    assert bench.verify(asked, examples_seed=1234).verified
    assert bench.refused(asked) == "examples"
    assert bench.refused(bundle, examples_seed=1234) == "examples"
    first, second = (read_examples(bench.unpacked(one) / "examples.npz") for one in (bundle, asked))
    assert set(first.positions) != set(second.positions)


def test_numbers_from_another_kind_of_machine_are_asked_more_and_may_flip_once(bench):
    members = bench.unpacked()
    edit_json(members / "environment.json", lambda values: values | {"vector_units": "OTHER"})
    verdict = bench.verify(bench.packed(members))
    assert verdict.verified
    assert verdict.asked_again == 473
    assert "another kind of machine, 1 flip tolerated" in detail_of("rerun", verdict)


def test_without_asking_again_nothing_is_verified(bench, bundle, tmp_path):
    verdict = bench.verify(bundle, images=0)
    assert not verdict.verified
    assert {check.outcome for check in verdict.checks[:-2]} == {"passed"}
    assert {check.name: check.outcome for check in verdict.checks[-2:]} == {"rerun": "skipped", "masking": "skipped"}
    with pytest.raises(WorkError, match=r"is not verified; ask some images again .* or mark its row"):
        add_entry(bundle, tmp_path / "board", verdict)
    assert not (tmp_path / "board").exists()


def test_an_entry_becomes_a_row_and_an_unverified_one_is_marked(bench, bundle, run_folder, load_data, tmp_path):
    board = tmp_path / "board"
    other = pack(run_folder, tmp_path / "other.zip", load_data, device=CPU, examples_seed=5)
    verified = add_entry(bundle, board, bench.verify(bundle))
    unverified = add_entry(other, board, bench.verify(other, images=0, examples_seed=5), unverified=True)
    found = {run.path.parent: run.verified for run in load_runs(board)}
    assert found == {verified: True, unverified: False}
    kept, whole = verified / "predictions.npz", run_folder / "predictions.npz"
    np.testing.assert_equal(vars(read_predictions(kept)), vars(read_predictions(whole)))
    assert kept.stat().st_size < whole.stat().st_size / 2
    page = write_report(board / "digits" / "records", board, "digits")
    assert "pgd_at" in page.read_text("utf-8")


def test_a_bundle_is_added_once_and_only_as_it_was_verified(bench, bundle, tmp_path):
    board, copied = tmp_path / "board", tmp_path / "copy.zip"
    shutil.copyfile(bundle, copied)
    verdict = bench.verify(copied)
    folder = add_entry(copied, board, verdict)
    with pytest.raises(UsageError, match="is there already; this bundle was added before"):
        add_entry(copied, board, verdict)
    shutil.rmtree(folder)
    copied.write_bytes(bundle.read_bytes()[:-1])
    with pytest.raises(UsageError, match="changed after it was verified"):
        add_entry(copied, board, verdict)
    assert not folder.exists()


def test_git_merges_two_entries_that_were_added_side_by_side(bench, bundle, run_folder, load_data, tmp_path):
    board = tmp_path / "board"
    board.mkdir()

    def git(*words):
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *identity, *words], cwd=board, check=True, capture_output=True)

    git("init")
    (board / "README").write_text("boards\n", encoding="utf-8")
    git("add", "."), git("commit", "-m", "first"), git("branch", "other")
    first = add_entry(bundle, board, bench.verify(bundle))
    git("add", "."), git("commit", "-m", "an entry"), git("checkout", "other")
    asked = pack(run_folder, tmp_path / "asked.zip", load_data, device=CPU, examples_seed=5)
    second = add_entry(asked, board, bench.verify(asked, examples_seed=5))
    git("add", "."), git("commit", "-m", "another"), git("merge", "main")
    assert {run.path.parent for run in load_runs(board)} == {first, second}


def test_what_is_no_finished_run_is_not_packed(run_folder, load_data, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(run_folder, half)
    (half / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"half has no model\.safetensors; run the command that made it again"):
        pack(half, tmp_path / "b.zip", load_data, device=CPU)
    with pytest.raises(UsageError, match=r"nowhere holds no record\.json; name the folder of a finished run"):
        pack(tmp_path / "nowhere", tmp_path / "b.zip", load_data, device=CPU)
    assert not (tmp_path / "b.zip").exists()


def test_a_card_is_taken_from_where_it_is_given(bench, run_folder, load_data, tmp_path):
    from fairbench.evaluation import read_record
    from fairbench.submissions.card import card_of, card_text

    card = card_of(read_record(run_folder), authors=["A. Doe"]).model_copy(update={"notes": "ours"})
    (tmp_path / "card.yaml").write_text(card_text(card), "utf-8")
    packed = pack(run_folder, tmp_path / "b.zip", load_data, card=tmp_path / "card.yaml", device=CPU)
    assert "ours" in (bench.unpacked(packed) / "card.yaml").read_text("utf-8")
    (tmp_path / "card.yaml").write_text("method: faal\nauthers: []\n", "utf-8")
    with pytest.raises(UsageError, match=r"card\.yaml: "):
        pack(run_folder, tmp_path / "b.zip", load_data, card=tmp_path / "card.yaml", device=CPU)
