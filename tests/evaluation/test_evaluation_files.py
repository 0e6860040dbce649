import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairbench.errors import UsageError
from fairbench.evaluation import environment, evaluate
from fairbench.evaluation.predictions import PREDICTIONS_NAME, Predictions, read_predictions, write_predictions
from fairbench.evaluation.provenance import git_commit
from fairbench.evaluation.records import RECORD_NAME, read_record, write_record
from fairbench.evaluation.summary import summarise
from fairbench.metrics import METRICS
from fairbench.protocol.record import LastRecord, Record

LABELS = np.array([0, 0, 1, 1, 2, 2, 2], dtype=np.int16)
ANSWERS = np.array([0, 1, 1, 1, 2, 0, 0], dtype=np.int16)


@pytest.fixture
def predictions():
    return Predictions(LABELS, {"clean": LABELS, "aa": np.array([0, -1, 1, -1, 2, -1, -1], dtype=np.int16)})


class TestPredictions:
    def test_what_is_written_is_read(self, predictions, tmp_path):
        path = tmp_path / PREDICTIONS_NAME
        write_predictions(path, predictions)
        for place in (path, tmp_path):
            again = read_predictions(place)
            np.testing.assert_array_equal(again.labels, LABELS)
            assert list(again.by_condition) == ["clean", "aa"]
            for name, answers in predictions.by_condition.items():
                np.testing.assert_array_equal(again.by_condition[name], answers)
                assert again.by_condition[name].dtype == np.int16

    def test_the_file_is_plain_numpy_without_pickles(self, predictions, tmp_path):
        write_predictions(tmp_path / PREDICTIONS_NAME, predictions)
        with np.load(tmp_path / PREDICTIONS_NAME, allow_pickle=False) as archive:
            assert archive["predictions"].shape == (7, 2)
            assert archive["conditions"].tolist() == ["clean", "aa"]

    def test_the_bytes_do_not_know_the_time(self, predictions, tmp_path):
        write_predictions(tmp_path / "one.npz", predictions)
        with zipfile.ZipFile(tmp_path / "one.npz") as archive:
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}

    def test_no_conditions_yet(self, tmp_path):
        write_predictions(tmp_path / "none.npz", Predictions(LABELS, {}))
        assert read_predictions(tmp_path / "none.npz").by_condition == {}

    @settings(max_examples=60)
    @given(st.data())
    def test_a_file_that_was_cut_or_changed_is_refused_or_the_same(self, tmp_path_factory, data):
        path = tmp_path_factory.mktemp("damage") / PREDICTIONS_NAME
        write_predictions(path, Predictions(LABELS, {"clean": LABELS}))
        content = bytearray(path.read_bytes())
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] ^= data.draw(st.integers(1, 255))
        path.write_bytes(bytes(content) if data.draw(st.booleans()) else bytes(content[:position]))
        try:
            again = read_predictions(path)
        except UsageError:
            return
        np.testing.assert_array_equal(again.labels, LABELS)
        np.testing.assert_array_equal(again.by_condition["clean"], LABELS)

    @pytest.mark.parametrize(
        ("arrays", "words"),
        [
            ({"labels": LABELS}, "predictions.npy"),
            ({"labels": LABELS, "predictions": LABELS, "conditions": np.array(["clean"])}, "do not fit"),
            ({"labels": LABELS / 1, "predictions": LABELS[:, None], "conditions": np.array(["clean"])}, "int16"),
            ({"labels": -LABELS, "predictions": LABELS[:, None], "conditions": np.array(["clean"])}, "below 0"),
            ({"labels": LABELS, "predictions": LABELS[:, None] - 2, "conditions": np.array(["clean"])}, "below 0"),
            (
                {
                    "labels": LABELS,
                    "predictions": np.stack([LABELS, LABELS], axis=1),
                    "conditions": np.array(["aa", "aa"]),
                },
                "twice",
            ),
        ],
    )
    def test_arrays_that_are_no_predictions(self, arrays, words, tmp_path):
        np.savez(tmp_path / PREDICTIONS_NAME, **arrays)
        with pytest.raises(UsageError, match=f"damaged.*{words}.*--fresh"):
            read_predictions(tmp_path)

    def test_a_pickle_is_not_opened(self, tmp_path):
        labels = np.array([print, None], dtype=object)
        np.savez(tmp_path / PREDICTIONS_NAME, labels=labels, predictions=LABELS, conditions=LABELS, allow_pickle=True)
        with pytest.raises(UsageError, match=r"damaged.*allow_pickle"):
            read_predictions(tmp_path)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(UsageError, match=r"cannot read .*predictions\.npz: no such file"):
            read_predictions(tmp_path / PREDICTIONS_NAME)


@pytest.fixture
def record(network, few_digits) -> Record:
    result = evaluate(network, few_digits, ["clean", "pgd20"], eps=0.1)
    return Record(
        protocol="modified",
        method="pgd_at",
        title="PGD-AT",
        track=None,
        seed=0,
        init="scratch",
        selected_on="last",
        selected_epoch=3,
        epsilon=0.1,
        data=result.data,
        model=result.model,
        conditions=dict(result.conditions),
        last=LastRecord(epoch=3, weights_sha256="0", conditions=dict(result.conditions)),
        environment=environment(),
    )


def edited(path, edit):
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))


class TestRecords:
    def test_what_is_written_is_read(self, record, tmp_path):
        path = write_record(record, tmp_path / "deep" / "folder")
        assert read_record(path) == record
        assert read_record(path.parent) == record

    def test_reading_records_needs_no_torch(self):
        code = "import sys, fairbench.evaluation.records; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("average", 0.123),
            ("balanced", 0.5),
            ("worst", 0.999),
            ("worst_class", 9),
            ("worst_tenth", 0.2),
            ("overall", 1.0),
            ("class_false_positive_score", [0.1] * 10),
            ("class_false_positive_score", None),
        ],
    )
    def test_a_rate_that_does_not_follow_from_the_counts_is_refused(self, record, tmp_path, key, value):
        write_record(record, tmp_path)
        edited(tmp_path / RECORD_NAME, lambda values: values["conditions"]["pgd20"].update({key: value}))
        with pytest.raises(UsageError, match=rf"damaged: conditions\.pgd20: {key} = .*its counts say"):
            read_record(tmp_path)

    def test_the_last_epoch_is_checked_too(self, record, tmp_path):
        write_record(record, tmp_path)
        edited(tmp_path / RECORD_NAME, lambda values: values["last"]["conditions"]["clean"].update(average=0.0))
        with pytest.raises(UsageError, match=r"last\.conditions\.clean: average = 0\.0, but its counts say"):
            read_record(tmp_path)

    @pytest.mark.parametrize(
        ("edit", "words"),
        [
            (lambda values: values["conditions"]["clean"]["class_total"].reverse(), "class_total is not the row sum"),
            (lambda values: values["data"]["classes"].pop(), "confusion has 10 rows, there are 9 classes"),
            (lambda values: values.pop("method"), "method"),
            (lambda values: values.update(methode="x"), "unknown key 'methode'; did you mean method"),
        ],
    )
    def test_damage_is_named(self, record, tmp_path, edit, words):
        write_record(record, tmp_path)
        edited(tmp_path / RECORD_NAME, edit)
        with pytest.raises(UsageError, match=words) as caught:
            read_record(tmp_path)
        assert "restore it" in str(caught.value)

    def test_a_folder_without_a_record_is_no_run(self, tmp_path):
        with pytest.raises(UsageError, match=r"holds no record\.json; name the folder of a finished run"):
            read_record(tmp_path)
        with pytest.raises(UsageError, match=r"nowhere holds no record\.json"):
            read_record(tmp_path / "nowhere")

    def test_a_truncated_file_is_refused(self, record, tmp_path):
        path = write_record(record, tmp_path)
        path.write_text(path.read_text()[:-40])
        with pytest.raises(UsageError, match=r"record\.json is damaged"):
            read_record(path)

    def test_a_record_that_contradicts_itself_is_not_written(self, record, tmp_path):
        wrong = record.conditions["clean"].model_copy(update={"average": 0.5})
        with pytest.raises(UsageError, match=r"conditions\.clean: average = 0\.5"):
            write_record(record.model_copy(update={"conditions": {"clean": wrong}}), tmp_path)
        assert not (tmp_path / RECORD_NAME).exists()


def test_the_record_of_a_condition_has_the_numbers_of_the_metrics():
    summary = summarise(ANSWERS, LABELS, 3, settings={"seed": 1}, seconds=2.0)
    assert summary.class_correct == [1, 2, 1]
    assert summary.class_total == [2, 2, 3]
    assert summary.worst_class == 2
    confusion = np.array(summary.confusion)
    for name in ("average", "balanced", "worst", "worst_tenth", "overall", "class_false_positive_score"):
        np.testing.assert_allclose(getattr(summary, name), METRICS[name].of_confusion(confusion))
    assert (summary.settings, summary.seconds, summary.undefined) == ({"seed": 1}, 2.0, {})


class TestEnvironment:
    def test_versions_threads_and_memory(self):
        found = environment("cpu")
        assert found.torch == torch.__version__
        assert found.threads == torch.get_num_threads()
        assert found.device == "cpu"
        assert found.peak_memory_bytes is None or found.peak_memory_bytes > 2**20

    def test_a_checkout_is_named_by_its_commit_and_marked_when_modified(self, tmp_path, monkeypatch):
        def git(*arguments):
            identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
            command = ["git", "-C", str(tmp_path), *identity, *arguments]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

        assert git_commit(tmp_path) is None
        git("init")
        assert git_commit(tmp_path) is None
        (tmp_path / "file").write_text("one")
        git("add", "file")
        git("commit", "-m", "first")
        commit = git("rev-parse", "HEAD")
        (tmp_path / "untracked").write_text("new")
        monkeypatch.setenv("GIT_DIR", "/nowhere")
        assert git_commit(tmp_path) == commit
        (tmp_path / "file").write_text("two")
        assert git_commit(tmp_path) == f"{commit}-dirty"
        monkeypatch.setenv("PATH", "")
        assert git_commit(tmp_path) is None
