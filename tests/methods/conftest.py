import pytest
import torch

from fairbench.training.modes import attacking
from fairbench.training.seams import Views


@pytest.fixture(scope="session")
def seams():
    """The seams of one step, run in the trainer's order."""

    class Seams:
        @staticmethod
        def perturb(method, batch) -> Views:
            with attacking(method.network, method.attack_bn):
                return method.perturb(batch, method.prepare(batch))

        @staticmethod
        def loss(method, batch, views):
            terms = method.losses(batch, views)
            return method.combine(terms, method.weigh(terms, batch))

        @staticmethod
        def gradient(method, loss) -> torch.Tensor:
            return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(method.network.parameters()))])

        @staticmethod
        def views(batch, *, epsilon=0.1, seed=5) -> Views:
            noise = torch.rand(batch.x.shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
            return Views({"adversarial": (batch.x + epsilon * noise).clamp(0, 1)})

    return Seams
