"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from fairbench.allocator import keep_freed_memory
import torch
torch.set_num_threads(1)
if sys.argv[1] == "keep":
    assert keep_freed_memory()
layers = [torch.nn.Conv2d(1, 16, 4, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 4, stride=2)]
network = torch.nn.Sequential(*layers)
images = torch.rand(128, 1, 28, 28)
def work():
    for _ in range(10):
        leaf = images.clone().requires_grad_()
        torch.autograd.grad(network(leaf).sum(), leaf)
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    command = [sys.executable, "-c", SCRIPT, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked")
def test_pages_are_not_fetched_again():
    assert faults("keep") < 0.1 * faults("leave")
