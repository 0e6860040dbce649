"""Checkpoints from elsewhere: other names of the normalisation, and files that mean harm."""

import json
import pickle
import re
import struct
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

from fairbench.errors import UsageError
from fairbench.models import NORMALISATIONS, create_model, load_weights, save_weights, weights_sha256


def network(seed=0):
    return create_model("cnn_small", image_shape=(3, 8, 8), num_classes=4, seed=seed)


@pytest.fixture
def bare():
    """A state dict without normalisation."""
    return {name: tensor for name, tensor in network().state_dict().items() if name not in {"mu", "sd"}}


MEAN, STD = torch.tensor([0.5, 0.25, 0.125]), torch.tensor([0.2, 0.4, 0.8])


@pytest.mark.parametrize(
    ("names", "prefix", "shape"),
    [
        (("mean", "std"), "", (1, 3, 1, 1)),
        (("mu", "sigma"), "", (1, 3, 1, 1)),
        (("module.mean", "module.std"), "module.", (3, 1, 1)),
        (("normalize.mean", "normalize.std"), "", (3,)),
        (("0.mean", "0.std"), "1.", (1, 3, 1, 1)),
        (("normalizer.means", "normalizer.stds"), "model.", (3,)),
    ],
)
def test_the_normalisation_is_found_under_its_usual_names(bare, tmp_path, names, prefix, shape):
    foreign = {prefix + name: tensor for name, tensor in bare.items()}
    values = dict(zip(names, (MEAN.view(shape), STD.view(shape)), strict=True))
    torch.save({**foreign, **values}, tmp_path / "x.pt")
    model = network(seed=1)
    load_weights(model, tmp_path / "x.pt", normalisation=NORMALISATIONS["cifar10"])
    assert torch.equal(model.mu.flatten(), MEAN)
    assert torch.equal(model.sd.flatten(), STD)
    assert torch.equal(model.conv1.weight, bare["conv1.weight"])


def test_a_file_without_normalisation_gets_the_one_that_is_asked_for(bare, tmp_path):
    torch.save(bare, tmp_path / "x.pt")
    model = network()
    load_weights(model, tmp_path / "x.pt", normalisation=NORMALISATIONS["cifar100"])
    assert model.mu.flatten().tolist() == pytest.approx(NORMALISATIONS["cifar100"].mean)
    load_weights(model, tmp_path / "x.pt")
    assert model.sd.flatten().tolist() == pytest.approx(NORMALISATIONS["cifar100"].std)
    load_weights(model, tmp_path / "x.pt", normalisation=NORMALISATIONS["none"])
    assert (model.mu.abs().sum(), model.sd.sum()) == (0, 3)


def refuses(path, message):
    model = network(seed=1)
    before = weights_sha256(model)
    with pytest.raises(UsageError, match=message):
        load_weights(model, path)
    assert weights_sha256(model) == before


def test_a_division_by_nothing_is_refused(bare, tmp_path):
    torch.save({**bare, "mean": MEAN, "std": STD * 0}, tmp_path / "x.pt")
    refuses(tmp_path / "x.pt", "it divides pixels by 0")


class Trap:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def _pickle_with_code(path, trace):
    path.write_bytes(pickle.dumps({"state_dict": Trap(trace)}))


def _torch_file_with_code(path, trace):
    torch.save({"state_dict": network().state_dict(), "args": Trap(trace)}, path)


def _zip_renamed(path, trace):
    torch.save({**network().state_dict(), "args": Trap(trace)}, path)


def _truncated(path, trace):
    save_weights(network(), path)
    path.write_bytes(path.read_bytes()[:-5])


def _huge_header(path, trace):
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def _header_of_another_world(path, trace):
    header = json.dumps({"conv1.weight": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def _overlapping_tensors(path, trace):
    one = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    header = json.dumps({"conv1.bias": one, "conv2.bias": one}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))


def _compressed(path, trace):
    torch.save(network().state_dict(), path)
    with zipfile.ZipFile(path) as plain:
        entries = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def _not_a_number(path, trace):
    state = network().state_dict()
    state["linear.weight"][0, 0] = float("nan")
    safetensors.torch.save_file(state, path)


def _other_shapes(path, trace):
    save_weights(create_model("cnn_small", image_shape=(3, 8, 8), num_classes=5), path)


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (_pickle_with_code, "x.pt", "truncated or no file of torch.save"),
        (_pickle_with_code, "x.safetensors", "truncated or no safetensors file"),
        (_torch_file_with_code, "x.pt", r"holds more than tensors \(.*\), nothing of it was run"),
        (_zip_renamed, "x.safetensors", "truncated or no safetensors file"),
        (_truncated, "x.safetensors", "truncated or no safetensors file"),
        (_huge_header, "x.safetensors", "truncated or no safetensors file"),
        (_header_of_another_world, "x.safetensors", "truncated or no safetensors file"),
        (_overlapping_tensors, "x.safetensors", "truncated or no safetensors file"),
        (_compressed, "x.pth", "has a compressed entry .* which torch.save never writes"),
        (_not_a_number, "x.safetensors", "linear.weight holds numbers that are not finite"),
        (_other_shapes, "x.safetensors", r"linear.bias is float32 \(5,\), expected float32 \(4,\)|linear.weight is"),
    ],
)
def test_hostile_files_are_refused_with_the_reason_and_nothing_is_run(tmp_path, make, name, message):
    trace = tmp_path / "was-run"
    make(tmp_path / name, trace)
    refuses(tmp_path / name, f"{re.escape(str(tmp_path / name))}.*{message}")
    assert not trace.exists()
