"""Code of others: found where it was asked for, named wherever it shows, and never in the way."""

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from fairbench import extensions, registry
from fairbench.compose import compose
from fairbench.data.catalogue import dataset_names, dataset_origin, dataset_title, source_of
from fairbench.errors import UsageError, WorkError
from fairbench.metrics.foreign import added_metrics, all_metrics, metric_origin

PAGE = Path(__file__).parents[2] / "docs" / "plug-ins.md"
READER = """
import numpy as np
from fairbench.data.catalogue import Source
from fairbench.data.dataset import Arrays, RawDataset

SOURCE = Source(title="Stripes", reader="stripes")

def raw(images, kind=np.int64):
    split = Arrays(images, np.arange(9).astype(kind) % 2)
    return RawDataset(("a", "b"), split, split)

def read(place):"""


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A package as pip would leave it: a module and its entry points."""

    added = []

    def install(module, text, group, points, *, package="others"):
        added.append(module)
        (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
        about = tmp_path / f"{package}-1.2.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n", encoding="utf-8")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        with (about / "entry_points.txt").open("a", encoding="utf-8") as stream:
            stream.write(f"[{group}]\n{lines}")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()

    extensions.extensions.cache_clear()
    yield install
    for module in added:
        sys.modules.pop(module, None)
    extensions.extensions.cache_clear()


@pytest.fixture
def documented(installed):
    """The examples of the page on plug-ins, installed as the page says."""
    page = PAGE.read_text("utf-8")
    codes = dict(re.findall(r"```python\n# file: (\w+)\.py\n(.*?)```", page, re.DOTALL))
    groups = tomllib.loads(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1])["project"]["entry-points"]
    for group, points in groups.items():
        for value in points.values():
            module = value.partition(":")[0]
            installed(module, codes.pop(module), group, points)
    assert not codes


def test_the_documented_data_set_is_listed_found_and_read(documented):
    from fairbench.data import load_dataset, training_splits

    assert "stripes" in dataset_names()
    assert dataset_title("stripes") == "Stripes"
    assert dataset_origin("stripes") == "entry point stripes:SOURCE of others 1.2"
    assert dataset_origin("digits") == "built-in"
    dataset = load_dataset("stripes")
    assert (dataset.name, dataset.classes, len(dataset.test)) == ("stripes", ("noise", "stripes"), 50)
    assert len(training_splits(dataset).train) < 150


def test_the_documented_attack_is_a_condition(documented):
    found = evaluated(["corner", "clean"])
    assert found.conditions["corner"].settings["origin"] == "entry point corner:CORNER of others 1.2"


def test_the_documented_metric_can_be_looked_up(documented):
    gap = added_metrics()["gap"]
    assert gap.of_confusion(np.array([[8, 2], [5, 5]])) == pytest.approx(0.3)
    assert metric_origin("gap") == "entry point gap:GAP of others 1.2"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 1 / 0", "data set stripes of entry point .*: its reader stripes failed: ZeroDivisionError"),
        ("return {}", "its reader gave a dict, expected a fairbench.data.dataset.RawDataset"),
        ("return raw(np.zeros((9, 1, 8, 8)))", r"train: images are float64 \(9, 1, 8, 8\), expected .* of uint8"),
        ("return raw(np.zeros((9, 8, 8), np.uint8))", r"images are uint8 \(9, 8, 8\), expected \(N, C, H, W\)"),
        ("return raw(np.zeros((9, 1, 8, 8), np.uint8), np.int32)", "labels are int32 .*, expected .* of int64"),
    ],
)
def test_a_reader_that_gives_something_else_is_named(installed, body, message):
    from fairbench.data import load_dataset

    installed("stripes", f"{READER}\n    {body}\n", "fairbench.datasets", {"stripes": "stripes:SOURCE"})
    with pytest.raises(UsageError, match=message):
        load_dataset("stripes")


def test_a_built_in_data_set_cannot_be_replaced(installed):
    text = "from fairbench.data.catalogue import Source\nSOURCE = Source(title='Mine', reader='mine')\n"
    installed("mine_data", text, "fairbench.datasets", {"digits": "mine_data:SOURCE"})
    assert dataset_title("digits") == "Digits (8x8)"
    assert source_of("digits").reader == "fairbench.data.digits"
    assert dataset_names().count("digits") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SOURCE = 3", "entry point broken:SOURCE of others 1.2 is a int, .* expects a .*Source"),
        ("1 / 0", "entry point broken:SOURCE of others 1.2 cannot be loaded: ZeroDivisionError"),
        ("raise SystemExit(0)", "cannot be loaded: SystemExit"),
        ("import nothing_of_this_name", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_an_entry_point_that_is_broken_is_named(installed, text, message):
    installed("broken", text, "fairbench.datasets", {"broken": "broken:SOURCE"})
    with pytest.raises(UsageError, match=message):
        source_of("broken")


def test_two_packages_that_add_one_name_are_told_apart(installed):
    installed("one", "", "fairbench.datasets", {"same": "one:X"}, package="first")
    installed("two", "", "fairbench.datasets", {"same": "two:X"}, package="second")
    with pytest.raises(
        UsageError, match=r"'same' of fairbench.datasets is added by .* and by .*; uninstall one of them"
    ):
        dataset_names()


def test_a_metric_of_another_package_is_listed_with_its_origin(installed):
    text = """
from fairbench.metrics.catalogue import Metric

GAP = Metric(name="gap", summary="best minus worst class", formula="max a_c - min a_c", source="mine",
             higher_is_better=False, of_confusion=lambda confusion: 0.0)
"""
    installed("gaps", text, "fairbench.metrics", {"gap": "gaps:GAP", "gap_again": "gaps:GAP"})
    with pytest.raises(UsageError, match="adds 'gap_again', its metric is called 'gap'"):
        all_metrics()
    extensions.extensions.cache_clear()
    assert metric_origin("gap") == "entry point gaps:GAP of others 1.2"
    assert metric_origin("worst") == "built-in"


@pytest.fixture
def methods_here(tmp_path, monkeypatch, plugin):
    """A folder methods/ where the command runs, with one method."""
    plugin("mine", file="methods/mine.py")
    (tmp_path / "methods" / "test_mine.py").write_text("raise SystemExit('a test is no method')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "methods"


def test_the_methods_of_a_folder_are_loaded_only_when_asked_for(own_registry, methods_here):
    assert "mine" not in own_registry.entries()
    (path,) = own_registry.plugins_in(Path("methods"))
    assert "mine" not in own_registry.entries()
    own_registry.load_plugin(path)
    assert compose("mine").entry.origin.startswith("plug-in mine.py (sha256 ")


def test_a_folder_that_is_not_there_is_named_with_the_cure(own_registry, tmp_path):
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere here; make one .* fairbench methods new NAME"):
        own_registry.plugins_in(tmp_path / "nowhere")


def test_in_a_checkout_the_folder_is_the_built_in_one(own_registry):
    assert own_registry.plugins_in(Path(registry.__file__).parents[1] / "methods") == []


def test_the_test_split_is_closed_while_training():
    from fairbench.data import load_dataset, training_splits
    from fairbench.data.dataset import test_split_closed as closed

    dataset = load_dataset("digits")
    with closed():
        assert len(training_splits(dataset).train)
        with pytest.raises(WorkError, match="the test split was asked for while training"):
            _ = dataset.test
        with pytest.raises(WorkError, match="while training"):
            _ = load_dataset("digits").test
    assert len(dataset.test) == 450


CORNER = """
from fairbench.attacks.foreign import ForeignAttack

def brighter(model, x, y, *, eps, seed, indices):
    return (x + eps).clamp(0, 1)

def too_far(model, x, y, *, eps, seed, indices):
    return 1 - x

CORNER = ForeignAttack(summary="brighter", perturb=brighter, settings={"corner": 1})
CHEAT = ForeignAttack(summary="anything", perturb=too_far)
"""


@pytest.fixture
def corner(installed):
    installed("corners", CORNER, "fairbench.attacks", {"corner": "corners:CORNER", "cheat": "corners:CHEAT"})


def evaluated(names):
    import torch

    from fairbench.data import Split
    from fairbench.evaluation import evaluate
    from fairbench.models import create_model

    images = torch.arange(20 * 64, dtype=torch.int64).mul(37).remainder(256).to(torch.uint8).view(20, 1, 8, 8)
    split = Split(images, torch.arange(20) % 10)
    return evaluate(create_model("cnn_tiny", image_shape=(1, 8, 8)).eval(), split, names, eps=0.1)


def test_an_attack_of_another_package_is_a_condition_whose_settings_name_its_origin(corner):
    found = evaluated(["corner", "clean"])
    assert list(found.conditions) == ["clean", "corner"]
    settings = found.conditions["corner"].settings
    assert settings["origin"] == "entry point corners:CORNER of others 1.2"
    assert (settings["corner"], settings["epsilon"], settings["images"]) == (1, 0.1, 20)
    clean, attacked = (found.predictions[name] == found.labels for name in ("clean", "corner"))
    assert not (attacked & ~clean).any()


def test_an_attack_that_leaves_the_ball_does_not_count(corner):
    with pytest.raises(WorkError, match="cheat left the epsilon ball"):
        evaluated(["cheat"])


def test_without_the_package_its_attack_is_unknown():
    with pytest.raises(UsageError, match="unknown attack 'corner'"):
        evaluated(["corner"])


def test_a_built_in_attack_cannot_be_replaced(installed):
    from fairbench.evaluation.battery import make_condition

    installed("corners", CORNER, "fairbench.attacks", {"pgd20": "corners:CORNER"})
    assert "origin" not in make_condition("pgd20", eps=0.1).settings


def test_an_attack_with_a_name_that_nobody_could_write_is_refused(installed):
    from fairbench.protocol.conditions import check_conditions

    installed("corners", CORNER, "fairbench.attacks", {"My-Attack": "corners:CORNER"})
    with pytest.raises(UsageError, match="an attack cannot be called 'My-Attack'"):
        check_conditions(["my"])
