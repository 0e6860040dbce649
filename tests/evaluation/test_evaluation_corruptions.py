"""Corruptions as conditions of the evaluator: what is asked, counted, resumed, averaged and tabulated."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from fairbench.data import CORRUPTIONS, Split, corrupt, write_corrupted
from fairbench.data.dataset import Dataset
from fairbench.errors import UsageError
from fairbench.evaluation import corruption_means, evaluate, pooled_severities, write_record
from fairbench.evaluation.corruption_groups import merged_severities
from fairbench.evaluation.summary import summarise
from fairbench.leaderboard.results import load_results
from fairbench.protocol.conditions import CONDITIONS, check_conditions, expand_conditions
from fairbench.protocol.corruptions import CORRUPTION_GROUPS, corruption_cells, corruption_of
from fairbench.protocol.record import Environment, Record


class Brightness(nn.Module):
    """Answers 0, 1 or 2 by how bright an image is; has a weight, so that it can be told from others."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(dim=(1, 2, 3)) * self.scale
        return -(mean[:, None] - torch.tensor([0.2, 0.5, 0.8])).abs()


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """30 coloured gradients in three classes, 28 x 28."""
    random = np.random.default_rng(0)
    labels = np.arange(30) % 3
    base = np.array([60, 128, 190])[labels][:, None, None, None]
    ramp = np.linspace(-25, 25, 28)[:, None] * random.choice([-1, 1], (30, 3, 1, 1))
    images = (base + ramp + random.integers(-20, 21, (30, 3, 28, 28))).clip(0, 255).astype(np.uint8)
    split = Split(torch.from_numpy(images), torch.from_numpy(labels))
    return Dataset("ramps", ("dark", "grey", "bright"), split, split, "ramps")


def answers_to(dataset: Dataset, name: str, severity: int) -> np.ndarray:
    """What the network says, asked without the evaluator."""
    clean = dataset.test.images.numpy().transpose(0, 2, 3, 1)
    x = torch.from_numpy(corrupt(clean, name, severity)).permute(0, 3, 1, 2) / 255
    return Brightness()(x).argmax(dim=1).numpy()


def test_names_stand_for_their_cells() -> None:
    assert len(expand_conditions(["corruptions"])) == 95
    assert expand_conditions(["corruptions.fog", "clean"]) == ["clean", *(f"corruptions.fog.{s}" for s in range(1, 6))]
    assert expand_conditions(["corruptions.snow.2", "corruptions.shot_noise.4"])[0] == "corruptions.shot_noise.4"
    assert len(expand_conditions(["corruptions.faal9", "corruptions.fog.1", "corruptions.snow"])) == 46
    assert check_conditions(["corruptions", "clean"]) == ["clean", "corruptions"]
    assert corruption_of("corruptions.fog.3") == ("fog", 3)
    assert set(CORRUPTION_GROUPS["faal9"]) < set(CORRUPTION_GROUPS["fairtat18"]) == set(CORRUPTIONS) - {"glass_blur"}
    assert not set(CONDITIONS) & set(corruption_cells("corruptions"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("corruption", "did you mean corruptions"),
        ("corruptions.fgo", "unknown corruption 'fgo': did you mean fog"),
        ("corruptions.fog.0", "severity '0' is not one of 1 to 5"),
        ("corruptions.fog.6", "severity '6' is not one of 1 to 5"),
        ("corruptions.fog.3.1", "cannot read the condition"),
    ],
)
def test_other_names_are_refused(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        expand_conditions([name])


def test_every_image_is_asked_about_once_corrupted(dataset: Dataset) -> None:
    attacks = ["corruptions.brightness", "corruptions.gaussian_noise.5"]
    result = evaluate(Brightness(), dataset, attacks, batch_size=7)
    assert list(result.conditions) == ["corruptions.gaussian_noise.5", *corruption_cells("corruptions.brightness")]
    labels = dataset.test.labels.numpy()
    for condition, record in result.conditions.items():
        name, severity = corruption_of(condition)
        expected = answers_to(dataset, name, severity)
        assert result.predictions[condition].tolist() == expected.tolist()
        assert record.average == (expected == labels).mean()
        assert record.settings["corruption"] == name
        assert record.settings["severity"] == severity
        assert record.settings["constants"] == "CIFAR-10-C"
    # An image that is wrong as it is may be right when it is brighter: nobody chose the worse of the two.
    clean = answers_to(dataset, "gaussian_noise", 1)
    bright = result.predictions["corruptions.brightness.5"]
    assert ((clean != labels) & (bright == labels)).any() or (bright != clean).any()


def test_subset_resume_and_files(dataset: Dataset, tmp_path) -> None:
    attacks = ["clean", "corruptions.frost"]
    whole = evaluate(Brightness(), dataset, attacks, subset=12)
    assert whole.conditions["clean"].class_total == [10] * 3
    assert whole.conditions["corruptions.frost.1"].class_total == [4] * 3
    assert "drawn by" in whole.conditions["corruptions.frost.1"].settings["textures"]
    write_corrupted(dataset, tmp_path / "C", types=["frost"])
    first = evaluate(Brightness(), dataset, ["corruptions.frost.2"], subset=12, out=tmp_path / "out")
    second = evaluate(Brightness(), dataset, attacks, subset=12, out=tmp_path / "out", corrupted=tmp_path / "C")
    assert second.conditions["corruptions.frost.2"].seconds == first.conditions["corruptions.frost.2"].seconds
    for name, record in whole.conditions.items():
        assert second.conditions[name].confusion == record.confusion
    with pytest.raises(UsageError, match="run on 12 images, now on all"):
        evaluate(Brightness(), dataset, attacks, out=tmp_path / "out")


def test_small_images_are_refused_before_anything_is_written(network, few_digits, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"at least 28 pixels a side, those of split are 8x8.*leave corruptions out"):
        evaluate(network, few_digits, ["clean", "corruptions"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def cells_of(random: np.random.Generator, names, size: int = 40):
    labels = np.repeat(np.arange(4), size // 4)
    return {
        cell: summarise(
            np.where(random.random(size) < 0.3, random.integers(0, 4, size), labels), labels, 4,
            settings={"corruption": name}, seconds=1.0,
        )
        for name in names
        for cell in corruption_cells(f"corruptions.{name}")
    }  # fmt: skip


def test_severities_are_pooled_and_types_averaged() -> None:
    conditions = cells_of(np.random.default_rng(0), CORRUPTIONS)
    pooled, means = pooled_severities(conditions), corruption_means(conditions)
    assert len(pooled) == 19
    for name in CORRUPTIONS:
        counted = sum(np.array(conditions[f"corruptions.{name}.{s}"].confusion) for s in range(1, 6))
        one = pooled[f"corruptions.{name}"]
        assert one.class_total == [50] * 4
        assert one.worst == (np.diag(counted) / 50).min()
        assert one.average == np.trace(counted) / 200
        assert one.seconds == 5.0
    for group, types in CORRUPTION_GROUPS.items():
        mean = means[f"corruptions.{group}"]
        assert mean.worst == pytest.approx(np.mean([pooled[f"corruptions.{name}"].worst for name in types]))
        assert mean.average == pytest.approx(
            np.mean([conditions[cell].average for name in types for cell in corruption_cells(f"corruptions.{name}")])
        )
        scores = [pooled[f"corruptions.{name}"].class_false_positive_score for name in types]
        assert mean.class_false_positive_score == pytest.approx(np.mean(scores, axis=0))


def test_incomplete_groups_have_no_mean() -> None:
    conditions = cells_of(np.random.default_rng(1), CORRUPTION_GROUPS["faal9"])
    assert list(corruption_means(conditions)) == ["corruptions.faal9"]
    del conditions["corruptions.snow.3"]
    assert corruption_means(conditions) == {}
    assert "corruptions.snow" not in pooled_severities(conditions)
    merged = merged_severities(conditions)
    assert len(merged) == 8 + 4
    assert "corruptions.snow.1" in merged


def test_table_of_results(dataset: Dataset, tmp_path) -> None:
    result = evaluate(Brightness(), dataset, ["clean", "corruptions.faal9"], subset=12)
    record = Record(
        protocol="modified", method="m", title="m", track=None, seed=None, init="unknown", selected_on="unknown",
        selected_epoch=None, epsilon=result.epsilon, data=result.data, model=result.model,
        conditions=dict(result.conditions),
        environment=Environment(fairbench="0", git_commit=None, python="3", torch="2", device="cpu", threads=1),
    )  # fmt: skip
    write_record(record, tmp_path)
    assert json.loads((tmp_path / "record.json").read_text())["conditions"]["corruptions.snow.5"]["average"] >= 0
    table = load_results(tmp_path)
    assert set(table.condition) == {
        "clean", "corruptions.faal9", *result.conditions,
        *(f"corruptions.{name}" for name in CORRUPTION_GROUPS["faal9"]),
    }  # fmt: skip
    aggregates = table[(table["class"] == "") & (table.metric == "worst")].set_index("condition").value
    types = [f"corruptions.{name}" for name in CORRUPTION_GROUPS["faal9"]]
    assert aggregates["corruptions.faal9"] == pytest.approx(aggregates[types].mean())
    assert len(table[table.condition == "corruptions.faal9"]) == 5 + 2 * 3
