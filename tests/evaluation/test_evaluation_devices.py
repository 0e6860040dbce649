"""Several devices share an evaluation; its files do not know it."""

import copy
import threading

import pytest
import torch
from torch import nn

from fairbench.attacks import autoattack
from fairbench.errors import UsageError, WorkError
from fairbench.evaluation import evaluate
from fairbench.evaluation.journal import JOURNAL_NAME
from fairbench.evaluation.predictions import PREDICTIONS_NAME
from fairbench.evaluation.replicas import replicate, share

CPU = torch.device("cpu")


@pytest.mark.usefixtures("micro_batch")
@pytest.mark.parametrize("search", ["square", pytest.param("aa", marks=pytest.mark.prove)])
def test_two_devices_write_what_one_writes(network, few_digits, tmp_path, monkeypatch, search):
    call = {"attacks": ["clean", "pgd20", search], "eps": 0.1, "subset": 24, "batch_size": 12, "square_queries": 10}
    searching = set()

    def noted(model, *args, **options):
        searching.add((id(model), threading.current_thread().name))
        return autoattack(model, *args, **options)

    monkeypatch.setattr("fairbench.evaluation.battery.autoattack", noted)
    one = evaluate(network, few_digits, out=tmp_path / "one", **call)
    assert len(searching) == 1
    two = evaluate(network, few_digits, out=tmp_path / "two", device=["cpu", "cpu"], **call)
    assert len({model for model, _ in searching}) == 2
    assert len({thread for _, thread in searching}) == 3
    files = [(tmp_path / name / PREDICTIONS_NAME).read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]
    assert one.conditions[search].checks == two.conditions[search].checks
    lines = [(tmp_path / name / JOURNAL_NAME).read_text().count("batch_of") for name in ("one", "two")]
    assert lines[0] == lines[1] == 2 * 4 + 2


def test_results_come_in_order_and_every_replica_works_alone():
    busy, seen = [threading.Lock() for _ in range(3)], []
    replicas = replicate(nn.Linear(2, 2), [CPU] * 3)

    def work(replica, batch):
        place = next(n for n, other in enumerate(replicas) if other is replica)
        assert busy[place].acquire(blocking=False)
        threading.Event().wait(0.002 * ((7 * int(batch)) % 5))
        seen.append(place)
        busy[place].release()
        return int(batch)

    assert list(share(replicas, torch.arange(20).split(1), work)) == list(range(20))
    assert set(seen) == {0, 1, 2}


def test_copies_have_the_weights_of_the_model():
    model = nn.Linear(3, 2)
    expected = copy.deepcopy(model.state_dict())
    first, second = replicate(model, [CPU, CPU])
    assert first.model is model
    assert second.model is not model
    assert all(torch.equal(second.model.state_dict()[name], value) for name, value in expected.items())


@pytest.mark.usefixtures("micro_batch")
def test_an_error_on_any_device_is_the_error_of_the_evaluation(digits):
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 10)

        def forward(self, x):
            answers = self.linear(x.flatten(1))
            return answers / 0 if threading.current_thread() is not threading.main_thread() else answers

    with pytest.raises(WorkError, match="NaN or infinite"):
        evaluate(Broken(), digits, ["clean"], eps=0.1, batch_size=12, device=["cpu", "cpu"])


def test_no_device_at_all_is_refused(network, digits):
    with pytest.raises(UsageError, match="no device"):
        evaluate(network, digits, ["clean"], eps=0.1, device=[])
