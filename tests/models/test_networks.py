import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from fairbench.errors import UsageError
from fairbench.models import create_model, model_names, normalisation_of

SMALL = {"cnn_tiny": (1, 8, 8), "cnn_small": (1, 28, 28)}


def shape_for(name):
    return SMALL.get(name, (3, 32, 32))


@pytest.mark.parametrize(
    ("name", "ten", "hundred"),
    [
        ("rn18", 11_173_962, 11_220_132),
        ("prn18", 11_172_170, 11_218_340),
        ("prn18_no_final_bn", 11_171_146, None),
        ("prn18_input_shortcut_no_final_bn", 11_171_146, None),
        ("cnn_small", 166_406, None),
        ("cnn_tiny", 38_282, None),
    ],
)
def test_parameter_counts_are_those_of_the_published_networks(name, ten, hundred):
    for num_classes, expected in ((10, ten), (100, hundred)):
        if expected:
            model = create_model(name, num_classes=num_classes, image_shape=shape_for(name))
            assert sum(parameter.numel() for parameter in model.parameters()) == expected


@pytest.mark.parametrize(("name", "entries"), [("rn18", 122), ("prn18", 107), ("prn18_no_final_bn", 102)])
def test_state_dicts_have_the_published_entries_and_the_normalisation(name, entries):
    state = create_model(name).state_dict()
    assert len(state) == entries + 2
    assert state["mu"].shape == state["sd"].shape == (1, 3, 1, 1)
    for key in ("conv1.weight", "layer1.0.bn1.weight", "layer4.1.conv2.weight", "linear.bias"):
        assert key in state
    shortcuts = {key.rpartition(".shortcut.")[0] for key in state if ".shortcut.0." in key}
    assert shortcuts == {"layer2.0", "layer3.0", "layer4.0"}


def _norm(state, name, x):
    means, variances = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, means, variances, state[f"{name}.weight"], state[f"{name}.bias"])


def _conv(state, name, x, stride=1):
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)


def _blocks():
    return [(f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1) for stage in range(1, 5) for i in range(2)]


def slow_prn18(state, x, *, final_bn, from_input):
    out = _conv(state, "conv1", (x - state["mu"]) / state["sd"])
    for block, stride in _blocks():
        active = F.relu(_norm(state, f"{block}.bn1", out))
        skip = out
        if f"{block}.shortcut.0.weight" in state:
            skip = _conv(state, f"{block}.shortcut.0", out if from_input else active, stride)
        hidden = _conv(state, f"{block}.conv1", active, stride)
        out = _conv(state, f"{block}.conv2", F.relu(_norm(state, f"{block}.bn2", hidden))) + skip
    if final_bn:
        out = F.relu(_norm(state, "bn", out))
    return F.avg_pool2d(out, out.shape[-1]).flatten(1) @ state["linear.weight"].T + state["linear.bias"]


def slow_rn18(state, x):
    out = F.relu(_norm(state, "bn1", _conv(state, "conv1", (x - state["mu"]) / state["sd"])))
    for block, stride in _blocks():
        skip = out
        if f"{block}.shortcut.0.weight" in state:
            skip = _norm(state, f"{block}.shortcut.1", _conv(state, f"{block}.shortcut.0", out, stride))
        hidden = F.relu(_norm(state, f"{block}.bn1", _conv(state, f"{block}.conv1", out, stride)))
        out = F.relu(_norm(state, f"{block}.bn2", _conv(state, f"{block}.conv2", hidden)) + skip)
    return F.avg_pool2d(out, out.shape[-1]).flatten(1) @ state["linear.weight"].T + state["linear.bias"]


SLOW = {
    "rn18": slow_rn18,
    "prn18": lambda state, x: slow_prn18(state, x, final_bn=True, from_input=False),
    "prn18_no_final_bn": lambda state, x: slow_prn18(state, x, final_bn=False, from_input=False),
    "prn18_input_shortcut": lambda state, x: slow_prn18(state, x, final_bn=True, from_input=True),
    "prn18_input_shortcut_no_final_bn": lambda state, x: slow_prn18(state, x, final_bn=False, from_input=True),
}


@pytest.fixture
def noisy():
    """A network whose batch-norms do something, in evaluation mode, in float64."""

    def build(name):
        generator = torch.Generator().manual_seed(0)
        model = create_model(name, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)).double().eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                    tensor.data = torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + 0.3
        return model

    return build


@torch.no_grad()
@pytest.mark.parametrize("name", SLOW)
def test_residual_networks_compute_what_is_published(name, noisy):
    x = torch.rand(2, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model = noisy(name)
    expected = SLOW[name](model.state_dict(), x)
    assert torch.allclose(model(x), expected, rtol=1e-9, atol=1e-9)
    # Twins share all names of weights, so nothing but the function tells them apart.
    twin = {"prn18": "prn18_input_shortcut", "prn18_no_final_bn": "prn18_input_shortcut_no_final_bn"}.get(name)
    if twin:
        assert not torch.allclose(SLOW[twin](model.state_dict(), x), expected, rtol=1e-2)


@pytest.mark.parametrize(
    ("name", "image_shape"),
    [
        ("cnn_small", (1, 28, 28)),
        ("cnn_small", (3, 32, 32)),
        ("cnn_small", (1, 30, 29)),
        ("cnn_tiny", (1, 8, 8)),
        ("cnn_tiny", (3, 7, 9)),
        ("prn18", (1, 8, 8)),
        ("rn18", (3, 17, 30)),
    ],
)
def test_shapes_and_gradients(name, image_shape):
    model = create_model(name, num_classes=7, image_shape=image_shape)
    x = torch.rand(3, *image_shape, requires_grad=True)
    logits = model(x)
    assert logits.shape == (3, 7)
    assert model.features(x).shape == (3, model.last_layer.in_features)
    logits.logsumexp(1).sum().backward()
    assert x.grad is not None
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", ["cnn_small", "cnn_tiny"])
def test_normalisation_comes_first(name):
    plain = create_model(name)
    shifted = create_model(name, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    x = torch.rand(4, 3, 32, 32)
    by_hand = (x - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 1.0, 2.0]).view(3, 1, 1)
    assert torch.allclose(shifted(x), plain(by_hand), atol=1e-6)


def test_mean_alone_leaves_the_deviation_at_one():
    model = create_model("cnn_tiny", image_shape=(1, 8, 8), mean=(0.3,))
    assert model.sd.item() == 1


# The wide ones take gigabytes; their builder is the same.
@pytest.mark.parametrize("name", [name for name in model_names() if not name.startswith("wrn")])
def test_the_seed_alone_decides_and_no_global_state_moves(name):
    before = torch.get_rng_state()
    models = [create_model(name, image_shape=shape_for(name), seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(before, torch.get_rng_state())
    assert models[0].architecture == name
    first, same, other = (model.last_layer.weight for model in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_cifar_names_are_normalised_alike_and_others_not():
    assert normalisation_of("cifar10") == normalisation_of("cifar10_jpeg")
    assert normalisation_of("cifar100").mean == (0.5071, 0.4865, 0.4409)
    assert normalisation_of("fmnist") is None


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("prn_18", {}, "unknown network 'prn_18': did you mean prn18"),
        ("rn18", {"image_shape": (1, 7, 8)}, "rn18 cannot take images of shape 1x7x8: each side needs at least 8"),
        ("cnn_small", {"image_shape": (0, 28, 28)}, "cannot take images of shape 0x28x28"),
        ("cnn_tiny", {"mean": (0.5,), "std": (0.5,)}, r"mean \(0.5,\) .* does not fit images of 3 channels"),
        ("cnn_tiny", {"std": (0.5, 0.0, 1.0)}, "deviations above 0"),
    ],
)
def test_refusals(name, options, message):
    with pytest.raises(UsageError, match=message):
        create_model(name, **options)


def test_a_network_without_classes_is_refused():
    with pytest.raises(ValueError, match="at least one class, got num_classes = 0"):
        create_model("cnn_tiny", num_classes=0)
