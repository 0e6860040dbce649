"""Freed memory stays with the process."""

import gc
import platform
import subprocess
import sys

import pytest

from fairbench.allocator import collector_at_rest

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


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_rests_and_is_then_as_it_was(enabled):
    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()

        @collector_at_rest()
        def broken_off():
            assert not gc.isenabled()
            raise ValueError("half way")

        with pytest.raises(ValueError, match="half way"):
            broken_off()
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
