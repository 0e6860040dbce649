import json

import numpy as np
import pytest
from typer.testing import CliRunner

from fairbench.cli.main import app
from fairbench.errors import UsageError
from fairbench.evaluation.predictions import Predictions, write_predictions
from fairbench.evaluation.records import write_record
from fairbench.evaluation.summary import condition_record
from fairbench.metrics import confusion_matrix
from fairbench.protocol.record import DataRecord, Environment, ModelRecord, Record

LABELS = np.repeat([0, 1, 2], 100).astype(np.int16)


def write_run(folder, method, hits, seed=0, *, fingerprint="ab", attacks=("aa",)):
    """A run that under these gets the first images of each class right, so many of 100."""
    right = np.concatenate([np.arange(100) < count for count in hits])
    predicted = np.where(right, LABELS, (LABELS + 1) % 3).astype(np.int16)
    answers_under = {"clean": LABELS} | dict.fromkeys(attacks, predicted)
    write_predictions(folder / "predictions.npz", Predictions(LABELS, answers_under))
    conditions = {
        name: condition_record(confusion_matrix(answers, LABELS, 3), settings={}, seconds=0.0)
        for name, answers in answers_under.items()
    }
    record = Record(
        protocol="standard",
        method=method,
        title=method,
        track="digits",
        seed=seed,
        init="pgd_at",
        selected_on="select",
        selected_epoch=1,
        epsilon=0.2,
        data=DataRecord(name="digits", fingerprint=fingerprint, classes=["cat", "dog", "emu"], image_shape=[1, 8, 8]),
        model=ModelRecord(architecture="cnn_tiny", parameters=1, weights_sha256=f"{method}{seed}"),
        conditions=conditions,
        environment=Environment(fairbench="0", git_commit=None, python="3", torch="2", device="cpu", threads=1),
    )
    write_record(record, folder)
    return folder


def call(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


@pytest.fixture
def runs(tmp_path):
    hits = {"faal": [60, 80, 70], "pgd_at": [30, 90, 90], "frl": [33, 90, 89]}
    return {name: write_run(tmp_path / name / "seed0", name, count) for name, count in hits.items()}


def test_says_in_words_who_is_better_and_at_what_cost(runs):
    result = call(runs["faal"], runs["pgd_at"])
    assert result.exit_code == 0
    assert "faal is better in the worst class under aa." in result.output
    assert "faal is better in the worst class (cat): 60.0 % against 30.0 %" in result.output
    assert "no difference beyond chance on average" in result.output
    assert "another seed may turn" in result.output
    assert "+30.0 points for faal, 95 % interval +16.3 to +43.3; right only for faal: 30" in result.output


def test_says_that_two_cannot_be_told_apart(runs):
    result = call(runs["frl"], runs["pgd_at"])
    assert "frl and pgd_at cannot be told apart under aa" in result.output


def test_json_holds_every_test(runs):
    values = json.loads(call(runs["faal"], runs["pgd_at"], "--json").output)
    row = next(row for row in values["rows"] if row["condition"] == "aa")
    assert (row["images"], row["weakest"]["only_first"], row["weakest"]["only_second"]) == (300, 30, 0)
    assert row["weakest"]["p_value"] == pytest.approx(2 * 0.5**30)
    assert row["weakest"]["adjusted"] == pytest.approx(4 * 2 * 0.5**30)
    assert values["first"] == "faal"


def test_corruptions_do_not_hide_a_difference(tmp_path):
    attacks = ["aa", *(f"corruptions.fog.{severity}" for severity in range(1, 6))]
    runs = [write_run(tmp_path / name, name, [60, 80, 70], attacks=attacks) for name in ("faal", "frl")]
    rows = json.loads(call(*runs, "--json").output)["rows"]
    assert [row["condition"] for row in rows] == ["clean", "aa"]


def test_a_methods_folder_brings_all_its_seeds(tmp_path, runs):
    write_run(tmp_path / "faal" / "seed1", "faal", [58, 80, 72], seed=1)
    values = json.loads(call(tmp_path / "faal", runs["pgd_at"], "--json").output)
    assert values["seeds"] == [2, 1]
    assert values["rows"][-1]["weakest"]["first"] == pytest.approx(0.59)


def test_two_seeds_of_one_method_are_named_apart(tmp_path, runs):
    other = write_run(tmp_path / "faal" / "seed1", "faal", [58, 80, 72], seed=1)
    assert "faal (seed0) and faal (seed1) cannot be told apart" in call(runs["faal"], other).output


def test_refuses_other_data_and_mixed_folders(tmp_path, runs):
    other = write_run(tmp_path / "other", "faal", [60, 80, 70], fingerprint="cd")
    for arguments, words in (((runs["faal"], other), "same images"), ((tmp_path, runs["frl"]), "holds runs of")):
        error = call(*arguments).exception
        assert isinstance(error, UsageError)
        assert words in str(error)


def test_refuses_runs_without_answers(runs):
    (runs["faal"] / "predictions.npz").unlink()
    error = call(runs["faal"], runs["frl"]).exception
    assert isinstance(error, UsageError)
    assert "keep predictions.npz" in str(error)
