import numpy as np
import pandas as pd
from synthetic import make_condition, make_values, write_values

import fairbench
from fairbench.leaderboard import results
from fairbench.leaderboard.results import load_results
from fairbench.metrics import Metric

COLUMNS = ["track", "method", "seed", "init", "selected_on", "protocol", "weights", "condition", "class", "metric"]


def test_is_reachable_from_the_package():
    assert fairbench.load_results is load_results


def test_every_number_of_every_record_is_there_once(tmp_path):
    records = [make_values("faal"), make_values("frl@trades", seed=2), make_values("cfa", classes=["a", "b", "c"])]
    for values in records:
        write_values(tmp_path, values)
    table = load_results(tmp_path)
    assert list(table.columns)[: len(COLUMNS)] == COLUMNS
    keys = ["method", "weights", "condition", "class", "metric"]
    assert not table.duplicated(keys).any()
    found = table.set_index(keys)["value"].to_dict()
    expected = {}
    for values in records:
        for weights, block in (("selected", values), ("last", values["last"])):
            for name, condition in block["conditions"].items():
                start = (values["method"], weights, name)
                for metric in ("average", "balanced", "worst", "worst_tenth", "overall"):
                    expected[(*start, "", metric)] = condition[metric]
                for c, label in enumerate(values["data"]["classes"]):
                    rate = condition["class_correct"][c] / condition["class_total"][c]
                    expected[(*start, label, "accuracy")] = rate
                    expected[(*start, label, "c_fps")] = condition["class_false_positive_score"][c]
    assert found == expected


def test_counts_stand_beside_the_rates(tmp_path):
    path = write_values(tmp_path, make_values())
    table = load_results(path)
    counted = table[table["total"].notna()]
    assert set(counted["metric"]) == {"accuracy", "average", "worst"}
    rates = counted["correct"].to_numpy(float) / counted["total"].to_numpy(float)
    np.testing.assert_allclose(counted["value"], rates, rtol=0, atol=1e-12)
    assert set(table["path"]) == {str(path)}


def test_what_is_undefined_is_missing_with_its_reason(tmp_path):
    perfect = make_condition(np.eye(10, dtype=int) * 36)
    values = make_values(seed=None, conditions=("clean",), last=None)
    values["conditions"]["clean"] = perfect
    table = load_results(write_values(tmp_path, values))
    scores = table[table["metric"] == "c_fps"]
    assert scores["value"].isna().all()
    assert set(scores["reason"]) == {"no image is misclassified"}
    assert table.loc[table["metric"] != "c_fps", "reason"].eq("").all()
    assert table["seed"].isna().all()


def test_metrics_of_other_packages_follow_under_their_names(tmp_path, monkeypatch):
    def undefined(confusion):
        raise ValueError("nobody knows")

    functions = {
        "gap": lambda confusion: np.ptp(confusion.diagonal() / confusion.sum(axis=1)),
        "answers": lambda confusion: confusion.sum(axis=0),
        "unknown": undefined,
    }
    added = {
        name: Metric(name=name, summary="", formula="", source="", higher_is_better=None, of_confusion=function)
        for name, function in functions.items()
    }
    monkeypatch.setattr(results, "added_metrics", lambda: added)
    values = make_values(conditions=("clean",), last=None)
    table = load_results(write_values(tmp_path, values)).set_index("metric")
    confusion = np.array(values["conditions"]["clean"]["confusion"])
    rates = confusion.diagonal() / confusion.sum(axis=1)
    assert table.loc["gap", "value"] == rates.max() - rates.min()
    assert table.loc["answers", "value"].tolist() == confusion.sum(axis=0).tolist()
    assert table.loc["answers", "class"].tolist() == values["data"]["classes"]
    assert np.isnan(table.loc["unknown", "value"])
    assert table.loc["unknown", "reason"] == "nobody knows"


def test_a_hundred_classes(tmp_path):
    values = make_values(classes=[f"class {c}" for c in range(100)], conditions=("aa",), last=None)
    table = load_results(write_values(tmp_path, values))
    assert len(table) == 5 + 2 * 100
    worst = table.loc[table["metric"] == "worst_tenth", "value"].item()
    accuracies = table.loc[table["metric"] == "accuracy", "value"]
    assert worst == pd.Series(accuracies).nsmallest(10).mean()
