import pickle
from importlib import resources
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairbench.errors import UsageError, WorkError
from fairbench.models import create_model, load_weights, save_weights, weights_sha256

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def tiny(seed=0, **options):
    return create_model("cnn_tiny", image_shape=(1, 8, 8), seed=seed, **options)


@pytest.fixture(params=["weights.safetensors", "weights.pt"])
def checkpoint(request, tmp_path):
    path = tmp_path / request.param
    save_weights(tiny(), path) if path.suffix == ".safetensors" else torch.save(tiny().state_dict(), path)
    return path


def test_round_trip_keeps_every_bit(checkpoint):
    loaded = tiny(seed=1)
    load_weights(loaded, checkpoint)
    assert weights_sha256(loaded) == weights_sha256(tiny()) != weights_sha256(tiny(seed=1))


def test_the_same_weights_give_the_same_bytes_whatever_their_memory_layout(tmp_path):
    first, second = create_model("cnn_small"), create_model("cnn_small").to(memory_format=torch.channels_last)
    save_weights(first, tmp_path / "a.safetensors")
    save_weights(second, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert weights_sha256(first) == weights_sha256(second)


def test_batch_norm_networks_round_trip_with_their_counters(tmp_path):
    model = create_model("rn18", image_shape=(1, 8, 8))
    model(torch.rand(2, 1, 8, 8))
    save_weights(model, tmp_path / "rn18.safetensors")
    loaded = create_model("rn18", image_shape=(1, 8, 8), seed=1)
    load_weights(loaded, tmp_path / "rn18.safetensors")
    assert weights_sha256(loaded) == weights_sha256(model)
    assert loaded.bn1.num_batches_tracked == 1


def test_half_precision_is_smaller_and_loads_into_float32(tmp_path):
    save_weights(tiny(), tmp_path / "full.safetensors")
    save_weights(tiny(), tmp_path / "half.safetensors", dtype=torch.float16)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (tmp_path / "full.safetensors").stat().st_size
    loaded = tiny(seed=1)
    load_weights(loaded, tmp_path / "half.safetensors")
    assert loaded.linear.weight.dtype == torch.float32
    assert torch.equal(loaded.linear.weight, tiny().linear.weight.half().float())


def test_weights_that_a_type_cannot_hold_are_not_written(tmp_path):
    model = tiny()
    model.linear.bias.data[0] = 1e6
    with pytest.raises(WorkError, match=r"linear.bias is not finite as torch.float16; .* was not written"):
        save_weights(model, tmp_path / "half.safetensors", dtype=torch.float16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "module.model.", "_orig_mod."])
@pytest.mark.parametrize("container", [None, "state_dict", "model", "net", "model_state_dict"])
def test_public_containers_and_prefixes(tmp_path, prefix, container):
    bare = {prefix + name: tensor.half() for name, tensor in tiny().state_dict().items()}
    torch.save({container: bare, "epoch": 3, "optimizer": {"lr": 0.1}} if container else bare, tmp_path / "x.pth")
    loaded = tiny(seed=1)
    load_weights(loaded, tmp_path / "x.pth")
    assert torch.equal(loaded.hidden.weight, tiny().hidden.weight.half().float())


def test_missing_normalisation_and_counters_are_the_models_own(tmp_path):
    state = create_model("prn18", image_shape=(1, 8, 8)).state_dict()
    kept = {name: value for name, value in state.items() if name not in {"mu", "sd"} and "num_batches" not in name}
    torch.save(kept, tmp_path / "x.pt")
    model = create_model("prn18", image_shape=(1, 8, 8), mean=(0.4,), std=(0.2,), seed=1)
    load_weights(model, tmp_path / "x.pt")
    assert model.mu.item() == pytest.approx(0.4)
    assert torch.equal(model.conv1.weight, state["conv1.weight"])


def test_a_public_resnet_loads():
    model = create_model("rn18")
    with resources.as_file(resources.files("pyautoattack") / "examples" / "model_test.pt") as path:
        load_weights(model, path)
        assert torch.equal(model.conv1.weight, torch.load(path, map_location="cpu", weights_only=True)["conv1.weight"])


def refuses(model, path, message):
    before = weights_sha256(model)
    with pytest.raises(UsageError, match=message):
        load_weights(model, path)
    assert weights_sha256(model) == before


def test_a_checkpoint_for_other_classes_names_the_first_difference(checkpoint):
    message = r"not for this cnn_tiny: linear.weight is float32 \(10, 64\), expected float32 \(7, 64\)"
    refuses(tiny(num_classes=7), checkpoint, message)


def test_a_checkpoint_for_another_network_names_the_first_difference(checkpoint):
    message = r"not for this rn18: it has no bn1.weight \(64,\)|conv1.weight is float32 \(16, 1, 3, 3\)"
    refuses(create_model("rn18", image_shape=(1, 8, 8)), checkpoint, message)


def test_superfluous_entries_are_refused(tmp_path):
    torch.save({**tiny().state_dict(), "layer9.weight": torch.zeros(1)}, tmp_path / "x.pt")
    refuses(tiny(), tmp_path / "x.pt", "it has layer9.weight, which cnn_tiny lacks")


def test_the_same_entry_twice_is_refused(tmp_path):
    torch.save({**tiny().state_dict(), "module.linear.bias": torch.zeros(10)}, tmp_path / "x.pt")
    refuses(tiny(), tmp_path / "x.pt", "it has module.linear.bias|holds linear.bias twice")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path, bad):
    state = tiny().state_dict()
    state["conv2.bias"][3] = bad
    torch.save(state, tmp_path / "x.pt")
    refuses(tiny(), tmp_path / "x.pt", "conv2.bias holds numbers that are not finite")


@FEW
@given(fraction=st.floats(0, 0.999))
def test_truncated_anywhere(checkpoint, fraction):
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: int(fraction * len(whole))])
    try:
        refuses(tiny(), checkpoint, "is truncated or no")
    finally:
        checkpoint.write_bytes(whole)


@FEW
@given(fraction=st.floats(0, 0.999))
def test_old_torch_files_truncated_anywhere(tmp_path, fraction):
    path = tmp_path / "old.pt"
    torch.save(tiny().state_dict(), path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(fraction * len(whole))])
    # Cut inside the name of a class, it names another one.
    refuses(tiny(), path, "is truncated or no|holds more than tensors")


class Attack:
    """Leaves a trace when a file that names it is trusted."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path, zipped):
    trace = tmp_path / "was-run"
    content = {"state_dict": tiny().state_dict(), "extra": Attack(trace)}
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    refuses(tiny(), tmp_path / "x.pt", "holds more than tensors .*, nothing of it was run")
    assert not trace.exists()


def test_a_whole_model_is_refused(tmp_path):
    torch.save(tiny(), tmp_path / "x.pt")
    refuses(
        tiny(),
        tmp_path / "x.pt",
        r"holds more than tensors \(fairbench\.models\.small\.TinyCNN\), nothing of it was run; save its state_dict",
    )


def test_a_plain_pickle_is_refused_under_any_name(tmp_path):
    trace = tmp_path / "was-run"
    for name, message in (
        ("x.pt", "is truncated or no file of torch.save"),
        ("x.pkl", "is no checkpoint that fairbench reads"),
        ("x.safetensors", "is truncated or no safetensors file"),
    ):
        (tmp_path / name).write_bytes(pickle.dumps(Attack(trace)))
        refuses(tiny(), tmp_path / name, message)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(3), "holds no state dict but Tensor"),
        ({}, "holds no state dict but dict"),
        ({"conv1.weight": [1.0, 2.0]}, "'conv1.weight' is no plain tensor"),
        ({"conv1.weight": torch.eye(3).to_sparse()}, "'conv1.weight' is no plain tensor"),
    ],
)
def test_files_without_a_state_dict_are_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "x.pt")
    refuses(tiny(), tmp_path / "x.pt", message)


def test_integers_in_place_of_weights_are_refused(tmp_path):
    state = {name: tensor.to(torch.int8) for name, tensor in tiny().state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "x.safetensors")
    refuses(tiny(), tmp_path / "x.safetensors", r"mu is int8 \(1, 1, 1, 1\), expected float32")


def test_a_missing_file_is_named(tmp_path):
    refuses(tiny(), tmp_path / "none.safetensors", "checkpoint .*none.safetensors does not exist")
