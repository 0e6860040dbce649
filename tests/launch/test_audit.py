"""Models from elsewhere through the evaluator: somebody's own code, RobustBench's zoo, converted checkpoints."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fairbench.compat import import_robustbench, without_network
from fairbench.errors import UsageError
from fairbench.evaluation import read_record
from fairbench.evaluation.summary import condition_record
from fairbench.files import sha256_file
from fairbench.launch.audit import Audit, audit
from fairbench.launch.findings import findings
from fairbench.launch.foreign import foreign_network
from fairbench.launch.zoo import zoo_network
from fairbench.models import NORMALISATIONS, create_model, save_weights

CPU = torch.device("cpu")
NAMES = ["cat", "dog", "emu", "fox", "gnu", "hen", "ibis", "jay", "kea", "owl"]


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> str:
    """Ten classes of two grey-ish images, 32x32 RGB."""
    folder, generator = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for split in ("train", "test"):
        for name in NAMES:
            (folder / split / name).mkdir(parents=True)
            for number in range(4 if split == "train" else 2):
                pixels = generator.integers(0, 256, (32, 32, 3), np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.png")
    return f"folder:{folder}"


OWN_CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.body = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, num_classes))
    def forward(self, x):
        return self.body(x)

def make(num_classes): return Net(num_classes)
def make_ten(): return Net(10)
def broken(): raise KeyError("no such thing")
def tensor(): return torch.zeros(1)
"""


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """Somebody's module in the folder from which the command is called."""
    (tmp_path / "theirs.py").write_text(OWN_CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("theirs", None)


def test_somebody_elses_network_is_audited_with_its_checkpoint(own_code, images):
    weights = foreign_network("theirs:make", num_classes=10).state_dict()
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}}, own_code / "theirs.pt")
    request = Audit(
        model="theirs:make",
        checkpoint=own_code / "theirs.pt",
        dataset=images,
        conditions=["clean", "fgsm"],
        out=own_code,
    )
    record = audit(request, None, CPU)
    assert read_record(own_code) == record
    assert record.model.architecture == "theirs:make"
    assert record.model.file_sha256 == sha256_file(own_code / "theirs.pt")
    assert record.model.parameters == 490
    assert (record.method, record.protocol, record.track) == ("theirs", "modified", None)
    assert record.conditions["fgsm"].average <= record.conditions["clean"].average
    # A function that takes no number of classes gives the same model, here without a checkpoint of its own.
    again = audit(Audit(model="theirs:make_ten", dataset=images, conditions=["clean"]), None, CPU)
    assert again.model.file_sha256 is None
    assert again.title == "make_ten (theirs:make_ten)"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("theirs:mak", "unknown function of theirs 'mak': did you mean make"),
        ("nowhere.at_all:make", r"cannot import nowhere.at_all \(ModuleNotFoundError"),
        ("theirs:", "cannot read --model 'theirs:'; the form is package.module:function"),
        ("theirs:broken", r"--model theirs:broken failed \(KeyError: 'no such thing'\)"),
        ("theirs:tensor", "made a Tensor, expected a torch.nn.Module"),
    ],
)
def test_code_that_does_not_make_a_network_is_refused(own_code, name, message):
    with pytest.raises(UsageError, match=message):
        foreign_network(name, num_classes=10)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"model": "prn18", "robustbench": "Wong2020Fast"}, "--robustbench and --model each name a model; keep one"),
        ({"model": "prn18"}, "prn18 has random weights; give its weights as --checkpoint FILE"),
        ({"model": "prn18", "normalise": "cifar"}, "unknown normalisation 'cifar': did you mean cifar10"),
        ({}, "nothing to evaluate: give --run DIR, --robustbench NAME, --model NAME"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(images, words, message):
    with pytest.raises(UsageError, match=message):
        audit(Audit(dataset=images, **words), None, CPU)


def test_the_normalisation_that_is_asked_for_is_used_where_the_file_has_none(tmp_path, images):
    state = create_model("cnn_small").state_dict()
    torch.save({name: tensor for name, tensor in state.items() if name not in {"mu", "sd"}}, tmp_path / "bare.pt")
    asked = {"model": "cnn_small", "checkpoint": tmp_path / "bare.pt", "dataset": images, "conditions": ["clean"]}
    hashes = {
        name: audit(Audit(**asked, normalise=name), None, CPU).model.weights_sha256
        for name in (*NORMALISATIONS, "auto")
    }
    # An image folder has no usual normalisation.
    assert hashes["auto"] == hashes["none"]
    assert len(set(hashes.values())) == 3


@pytest.fixture(scope="module")
def zoo_entry():
    """A network of RobustBench's zoo with random weights."""
    import_robustbench()
    zoo = importlib.import_module("robustbench.model_zoo")
    enums = importlib.import_module("robustbench.model_zoo.enums")
    models = zoo.model_dicts[enums.BenchmarkDataset.cifar_10][enums.ThreatModel.Linf]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return models["Wong2020Fast"]["model"]()


def test_an_entry_of_robustbench_is_audited_from_a_local_file(tmp_path, monkeypatch, images, zoo_entry):
    monkeypatch.setenv("FAIRBENCH_HOME", str(tmp_path))
    folder = tmp_path / "robustbench" / "cifar10" / "Linf"
    folder.mkdir(parents=True)
    # The published file carries the prefix of a wrapper and lacks the normalisation.
    published = {f"module.{name}": t for name, t in zoo_entry.state_dict().items() if name not in {"mu", "sigma"}}
    torch.save(published, folder / "Wong2020Fast.pt")
    record = audit(Audit(robustbench="Wong2020Fast", dataset=images, conditions=["clean"], out=tmp_path), None, CPU)
    assert record.model.architecture == "robustbench:Wong2020Fast"
    assert record.model.parameters == sum(parameter.numel() for parameter in zoo_entry.parameters())
    assert sum(record.conditions["clean"].class_total) == 20
    x = torch.rand(2, 3, 32, 32)
    loaded = zoo_network("Linf/Wong2020Fast", num_classes=10, checkpoint=folder / "Wong2020Fast.pt")
    with torch.no_grad():
        assert torch.equal(loaded(x), zoo_entry.eval()(x))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Wong2020Slow", "unknown entry of RobustBench's cifar10 zoo 'Wong2020Slow': did you mean .*Wong2020Fast"),
        ("Wong2020Fast", r"are not at .*cifar10/Linf/Wong2020Fast\.pt; allow their download with --download"),
        ("L2/Rice2020Overfitting", r"are not at .*cifar10/L2/Rice2020Overfitting\.pt"),
    ],
)
def test_what_robustbench_does_not_have_here_is_refused(tmp_path, monkeypatch, name, message):
    monkeypatch.setenv("FAIRBENCH_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=message):
        zoo_network(name, num_classes=10)


class Trap:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_a_file_of_the_zoo_cannot_run_code_and_damaged_ones_are_refused(tmp_path, zoo_entry):
    trace, path, state = tmp_path / "was-run", tmp_path / "x.pt", dict(zoo_entry.state_dict())
    torch.save({"state_dict": state, "extra": Trap(trace)}, path)
    with pytest.raises(UsageError, match=r"holds more than tensors .*, nothing of it was run"):
        zoo_network("Wong2020Fast", num_classes=10, checkpoint=path)
    assert not trace.exists()
    torch.save({**state, "conv1.weight": state["conv1.weight"] * float("nan")}, path)
    with pytest.raises(UsageError, match=r"Wong2020Fast: conv1\.weight holds numbers that are not finite"):
        zoo_network("Wong2020Fast", num_classes=10, checkpoint=path)
    torch.save({name: state[name] for name in list(state)[:-1]}, path)
    with pytest.raises(UsageError, match="RobustBench cannot load Wong2020Fast: Error"):
        zoo_network("Wong2020Fast", num_classes=10, checkpoint=path)
    assert torch.load.__module__ == "torch.serialization"


def test_no_connection_is_opened_where_none_is_allowed():
    import socket

    with without_network(), pytest.raises(OSError, match="the network may not be used here"):
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    with pytest.raises(OSError, match=r"refused|timed out"):
        socket.create_connection(("127.0.0.1", 9), timeout=1)


def confused():
    confusion = np.array([[40, 55, 5], [5, 90, 5], [48, 4, 48]])
    return condition_record(confusion, settings={}, seconds=1.0)


def test_findings_name_the_weakest_what_it_is_taken_for_and_who_is_no_better(tmp_path, images):
    state = create_model("cnn_small")
    save_weights(state, tmp_path / "x.safetensors")
    record = audit(
        Audit(model="cnn_small", checkpoint=tmp_path / "x.safetensors", dataset=images, conditions=["clean"]), None, CPU
    )
    data = record.data.model_copy(update={"classes": ["cat", "dog", "emu"]})
    (found,) = findings(record.model_copy(update={"conditions": {"pgd20": confused()}, "data": data})).values()
    assert [finding.name for finding in found.weakest] == ["cat", "emu", "dog"]
    assert (found.strongest.name, found.strongest.correct, found.strongest.total) == ("dog", 90, 100)
    # Wilson's interval of 40 in 100, from a table.
    assert (found.weakest[0].low, found.weakest[0].high) == pytest.approx((0.3094, 0.4980), abs=1e-4)
    # The class that is lowest was chosen after the fact, so its accuracy may be higher than its own interval says.
    assert found.worst_low == pytest.approx(found.weakest[0].low)
    assert found.worst_high > found.weakest[0].high
    assert found.not_told_apart == ["emu"]
    assert [(c.true, c.answered, c.images) for c in found.confusions[:2]] == [("cat", "dog", 55), ("emu", "cat", 48)]
    assert found.average == pytest.approx(178 / 300)
