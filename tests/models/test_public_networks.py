"""The larger networks: sizes and names of the published ones, and their function against other implementations."""

import importlib
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from fairbench.attacks.prepare import search_network
from fairbench.compat import import_robustbench
from fairbench.errors import UsageError
from fairbench.models import create_model, load_weights
from fairbench.models.mobilenet import MobileNetV2
from fairbench.models.public_names import under_own_names
from fairbench.models.swish_wide_resnet import SwishWideResNet
from fairbench.models.wide_resnet import WideResNet

IMAGES = {"num_classes": 10, "image_shape": (3, 32, 32)}
SLIM = {
    "wide": lambda: WideResNet("slim", **IMAGES, depth=10, widen=2),
    "swish": lambda: SwishWideResNet("slim", **IMAGES, depth=16, widen=1),
    "mobilenet_v2": lambda: MobileNetV2("mobilenet_v2", **IMAGES),
    "xcit_s12": lambda: create_model("xcit_s12"),
}


@pytest.mark.parametrize(
    ("name", "entries", "ten", "hundred", "public_name"),
    [
        ("mobilenet_v2", 344, 2_296_922, 2_412_212, "layers.10.shortcut.0.weight"),
        ("wrn28_10", 155, 36_479_194, 36_536_884, "block1.layer.0.convShortcut.weight"),
        ("wrn34_10", 191, 46_160_474, 46_218_164, "block3.layer.4.bn2.running_var"),
        ("wrn34_20", 191, 184_531_674, None, "fc.bias"),
        ("wrn28_10_swish", 155, 36_479_194, None, "layer.0.block.0.batchnorm_0.weight"),
        ("wrn70_16", 407, 266_796_506, 266_888_756, "layer.2.block.10.conv_1.weight"),
        ("xcit_s12", 391, 25_872_154, 25_906_804, "cls_attn_blocks.1.attn.q.weight"),
    ],
)
def test_sizes_and_names_are_those_of_the_published_networks(name, entries, ten, hundred, public_name):
    for num_classes, expected in ((10, ten), (100, hundred)):
        if expected is None:
            continue
        with torch.device("meta"):  # shapes alone; the largest would take a gigabyte
            model = create_model(name, num_classes=num_classes)
            assert model(torch.rand(2, 3, 32, 32)).shape == (2, num_classes)
        assert sum(parameter.numel() for parameter in model.parameters()) == expected
        assert len(model.state_dict()) == entries + 2
        assert public_name in model.state_dict()
        assert model.last_layer.out_features == num_classes


@pytest.fixture(params=list(SLIM))
def noisy(request):
    """A network whose batch-norms and normalisation do something, in evaluation mode, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SLIM[request.param]().double().eval()
        model.set_normalisation((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                    tensor.data = torch.rand(tensor.shape, dtype=torch.float64) + 0.3
    return request.param, model


def _norm(state, name, x):
    means, variances = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, means, variances, state[f"{name}.weight"], state[f"{name}.bias"])


def slow_mobilenet_v2(state, x):
    out = F.relu(_norm(state, "bn1", F.conv2d(x, state["conv1.weight"], padding=1)))
    strides = {3: 2, 6: 2, 13: 2}  # blocks that halve the plane
    for block in range(17):
        name, stride, skip = f"layers.{block}", strides.get(block, 1), out
        out = F.relu(_norm(state, f"{name}.bn1", F.conv2d(out, state[f"{name}.conv1.weight"])))
        depthwise = state[f"{name}.conv2.weight"]
        out = F.conv2d(out, depthwise, stride=stride, padding=1, groups=len(depthwise))
        out = _norm(
            state, f"{name}.bn3", F.conv2d(F.relu(_norm(state, f"{name}.bn2", out)), state[f"{name}.conv3.weight"])
        )
        if f"{name}.shortcut.0.weight" in state:
            skip = _norm(state, f"{name}.shortcut.1", F.conv2d(skip, state[f"{name}.shortcut.0.weight"]))
        out = out + skip if stride == 1 else out
    out = F.relu(_norm(state, "bn2", F.conv2d(out, state["conv2.weight"])))
    return F.avg_pool2d(out, 4).flatten(1) @ state["linear.weight"].T + state["linear.bias"]


def robustbench_twin(module, builder, **options):
    """Another implementation of the same network, in float64."""
    import_robustbench()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = importlib.import_module(f"robustbench.model_zoo.architectures.{module}")
        return getattr(found, builder)(**options).double().eval()


def oracle(name, state):
    """Logits of normalised images, computed by somebody else."""
    state = {key: value for key, value in state.items() if key not in {"mu", "sd"}}
    if name == "mobilenet_v2":
        return lambda x: slow_mobilenet_v2(state, x)
    if name == "wide":
        twin = robustbench_twin("wide_resnet", "WideResNet", depth=10, widen_factor=2, sub_block1=False)
    elif name == "swish":
        options = {"depth": 16, "width": 1, "activation_fn": torch.nn.SiLU, "mean": (0.0,) * 3, "std": (1.0,) * 3}
        twin = robustbench_twin("dm_wide_resnet", "DMWideResNet", **options)
    else:
        twin = robustbench_twin("xcit", "debenedetti2022light_xcit_s12_cifar10_linf")
        twin = twin[1] if isinstance(twin, torch.nn.Sequential) else getattr(twin, "model", twin)
    twin.load_state_dict(state)
    return twin


@torch.no_grad()
def test_networks_compute_what_is_published(noisy):
    name, model = noisy
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    normalised = (x - model.mu) / model.sd
    expected = oracle(name, model.state_dict())(normalised)
    assert torch.allclose(model(x), expected, rtol=1e-6, atol=1e-6)
    assert expected.std() > 1e-3  # two constants would agree, too


def test_attacks_search_a_copy_that_agrees(noisy):
    model = noisy[1].float()
    x = torch.rand(2, 3, 32, 32)
    searched, notes = search_network(model, "float32", x)
    with torch.no_grad():
        assert torch.allclose(searched(x), model(x), rtol=1e-3, atol=1e-3)
    assert notes == []
    assert searched is not model


def test_gradients_reach_every_parameter(noisy):
    _, model = noisy
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    model(x).logsumexp(1).sum().backward()
    assert x.grad is not None
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_depths_that_no_wide_residual_network_has_are_refused():
    with pytest.raises(ValueError, match="depth of a wide residual network is 6n \\+ 4 with n above 0, got 18"):
        WideResNet("slim", **IMAGES, depth=18, widen=1)


def test_official_xcit_files_have_other_names_and_one_matrix_for_three():
    model = create_model("xcit_s12")
    official = {}
    for name, tensor in model.state_dict().items():
        if ".attn.q." in name and name.startswith("cls_attn"):
            parts = [model.state_dict()[name.replace(".q.", f".{letter}.")] for letter in "qkv"]
            official[name.replace(".q.", ".qkv.")] = torch.cat(parts)
        elif not (name.startswith("cls_attn") and (".attn.k." in name or ".attn.v." in name)):
            official[name.replace("pos_embed.", "pos_embeder.")] = tensor
    assert "cls_attn_blocks.0.attn.qkv.weight" in official
    renamed = under_own_names(official, model, Path("x.pth"))
    assert renamed.keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, renamed[name]) for name, tensor in model.state_dict().items())


def test_the_unused_block_in_files_of_trades_is_left_out(tmp_path):
    model = SLIM["wide"]()
    unused = {name.replace("block1", "sub_block1"): t for name, t in model.state_dict().items() if "block1" in name}
    torch.save({f"module.{name}": t for name, t in (model.state_dict() | unused).items()}, tmp_path / "x.pt")
    loaded = SLIM["wide"]()
    load_weights(loaded, tmp_path / "x.pt")
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())
    torch.save(model.state_dict() | {"sub_block2.layer.0.bn1.weight": torch.ones(16)}, tmp_path / "y.pt")
    with pytest.raises(UsageError, match=r"it has sub_block2\.layer\.0\.bn1\.weight, which slim lacks"):
        load_weights(loaded, tmp_path / "y.pt")
