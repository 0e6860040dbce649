import os

import pytest
import torch

from fairbench.errors import UsageError
from fairbench.launch.device import compute_deterministically, resolve_device


def test_auto_takes_the_first_gpu_or_else_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"


def test_a_device_that_is_there_is_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("cuda") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UsageError, match="'cuda:2' is not there: 2 GPUs are visible; use --device cpu"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "CPU", "", "cpu:0", "cuda:-1"])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(UsageError, match=f"unknown device {name!r}: use auto, cpu, cuda") as error:
        resolve_device(name)
    assert error.value.exit_code == 2


def test_deterministic_computation_is_asked_of_a_gpu_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", asked.append)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that what comes is put back
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    compute_deterministically(torch.device("cpu"))
    assert (asked, torch.backends.cudnn.benchmark) == ([], True)
    compute_deterministically(torch.device("cuda"))
    assert (asked, torch.backends.cudnn.benchmark) == ([True], False)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
