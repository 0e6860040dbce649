import numpy as np
import pytest
import torch

from fairbench.attacks.result import AttackResult
from fairbench.data import Dataset, Split
from fairbench.errors import UsageError, WorkError
from fairbench.evaluation import evaluate
from fairbench.evaluation.journal import JOURNAL_NAME


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"attacks": ["pgd2"]}, "unknown attack 'pgd2': did you mean pgd20"),
        ({"attacks": "clean,cw"}, "unknown attack 'cw'"),
        ({"eps": 0}, r"eps = 0: expected a radius above 0 and below 1.*8/255"),
        ({"eps": 8}, "eps = 8: expected a radius"),
        ({"eps": float("nan")}, "eps = nan: expected a radius"),
        ({"batch_size": 0}, "batch_size = 0: expected at least 1"),
        ({"subset": 0}, "subset = 0: expected at least 1"),
        ({"subset": 9, "attacks": ["aa"]}, "subset = 9: expected at least one image of each of 10 classes"),
        ({"square_queries": 0}, "square_queries = 0"),
        ({"num_classes": 5}, r"expected labels in 0\.\.4, got 0\.\.9; check num_classes"),
        ({"num_classes": 12}, "class 10 of 12 has no images"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(network, few_digits, tmp_path, options, words):
    call = {"attacks": ["clean"], "out": tmp_path / "out", **options}
    with pytest.raises(UsageError, match=words):
        evaluate(network, few_digits, **call)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda split: Split(split.images / 255, split.labels), r"type uint8, got \(40, 1, 8, 8\) torch.float32"),
        (lambda split: Split(split.images[:, 0], split.labels), r"shape \(N, C, H, W\)"),
        (lambda split: Split(split.images[1:], split.labels), "a label for each image, got 40 for 39"),
        (lambda split: Split(split.images[:0], split.labels[:0]), "got 0 for 0 images"),
        (lambda split: Split(split.images, split.labels * 2), r"class 1 of 19 has no images"),
    ],
)
def test_images_that_cannot_be_evaluated(network, few_digits, change, words):
    with pytest.raises(UsageError, match=words):
        evaluate(network, change(few_digits), ["clean"])


def test_a_folder_that_is_a_file(network, few_digits, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match=r"cannot write .*--out"):
        evaluate(network, few_digits, ["clean"], out=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_other_settings_of_a_condition_are_refused_before_any_work(network, few_digits, tmp_path, micro_batch):
    options = {"eps": 0.1, "out": tmp_path, "attacks": ["clean", "square"]}
    evaluate(network, few_digits, square_queries=5, **options)
    before = (tmp_path / JOURNAL_NAME).read_bytes()
    with pytest.raises(UsageError, match=r"square was run with square_queries = 5, now it is 6; .*--fresh"):
        evaluate(network, few_digits, square_queries=6, **options | {"attacks": ["pgd20", "square"]})
    with pytest.raises(UsageError, match="square was run on all images, now on 20"):
        evaluate(network, few_digits, square_queries=5, subset=20, **options)
    assert (tmp_path / JOURNAL_NAME).read_bytes() == before


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (lambda x, eps: x + 1.01 * eps * torch.where(x > 0.5, -1, 1), "pgd20 left the epsilon ball or the unit box"),
        (lambda x, eps: x - 0.9 * eps, "pgd20 left the epsilon ball or the unit box"),
        (lambda x, eps: torch.full_like(x, torch.nan), "left the epsilon ball"),
        (lambda x, eps: x[:-1], "returned images of shape"),
    ],
)
def test_an_attack_that_breaks_the_rules_fails_the_condition(network, few_digits, monkeypatch, attack, words):
    def cheat(model, x, y, *, eps, **options):
        return attack(x, eps)

    monkeypatch.setattr("fairbench.evaluation.battery.pgd", cheat)
    with pytest.raises(WorkError, match=words):
        evaluate(network, few_digits, ["pgd20"], eps=0.1)


def test_only_the_float32_model_gives_verdicts(network, few_digits, monkeypatch):
    def boast(model, x, y, **options):
        nowhere = torch.zeros_like(y, dtype=torch.bool)
        return AttackResult(x_adv=x, robust=nowhere, predicted=(y + 1) % 10)

    monkeypatch.setattr("fairbench.evaluation.battery.autoattack", boast)
    result = evaluate(network, few_digits, ["clean", "aa"], eps=0.1)
    np.testing.assert_array_equal(result.predictions["aa"], result.predictions["clean"])


def test_the_test_split_of_a_data_set_is_used(network, few_digits):
    names = tuple("abcdefghij")
    train = Split(255 - few_digits.images, few_digits.labels)
    dataset = Dataset("letters", names, train, few_digits, "f" * 64)
    result = evaluate(network, dataset, ["clean"])
    assert result.data.model_dump() == {
        "name": "letters",
        "fingerprint": "f" * 64,
        "classes": list(names),
        "image_shape": [1, 8, 8],
        "splits_sha256": None,
    }
    expected = evaluate(network, few_digits, ["clean"]).predictions["clean"]
    np.testing.assert_array_equal(result.predictions["clean"], expected)
