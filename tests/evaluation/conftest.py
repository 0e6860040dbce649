import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from fairbench.data import Split
from fairbench.threads import computing_threads


def ridge(features: torch.Tensor, labels: torch.Tensor, num_classes: int) -> nn.Linear:
    """The linear layer that fits one-hot labels best: a good classifier without training."""
    rows = torch.cat([features, torch.ones(len(features), 1)], dim=1).double()
    targets = nn.functional.one_hot(labels, num_classes).double()
    weights = torch.linalg.solve(rows.T @ rows + torch.eye(rows.shape[1]).double(), rows.T @ targets).float()
    layer = nn.Linear(features.shape[1], num_classes)
    with torch.no_grad():
        layer.weight.copy_(weights[:-1].T)
        layer.bias.copy_(weights[-1])
    return layer


@pytest.fixture(autouse=True)
def _one_thread():
    """Networks this small lose far more by waiting for a second core than they gain."""
    with computing_threads(1):
        yield


@pytest.fixture
def micro_batch(monkeypatch) -> int:
    """Micro-batches so small that a few images are several batches."""
    monkeypatch.setattr("fairbench.evaluation.evaluator.choose_micro_batch", lambda *_: 12)
    return 12


@pytest.fixture(scope="session")
def digits() -> Split:
    """360 of scikit-learn's digits, (360, 1, 8, 8)."""
    bunch = load_digits()
    images = torch.from_numpy((bunch.images[:360, None] * 15.9375).astype(np.uint8))
    return Split(images, torch.from_numpy(bunch.target[:360]))


@pytest.fixture(scope="session")
def few_digits(digits: Split) -> Split:
    return digits.take(torch.arange(40))


@pytest.fixture
def network(digits: Split) -> nn.Module:
    """Random convolutions with batch-norm and a fitted last layer; the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3, stride=2), nn.ReLU()
        ).eval()
    features = nn.Sequential(trunk, nn.Flatten())
    with torch.no_grad():
        outputs = features(digits.images / 255)
    return nn.Sequential(features, ridge(outputs, digits.labels, 10)).eval()
