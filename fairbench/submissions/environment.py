"""Where a bundle was packed: what decides the last bit of a number, and the versions of the libraries."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Literal

import torch

from fairbench.protocol.record import Record
from fairbench.protocol.schema import Schema

ENVIRONMENT_NAME = "environment.json"
_LIBRARIES = ("numpy", "safetensors", "scikit-learn", "scipy", "torch", "torchvision")


class PackedOn(Schema):
    """The kind of machine that computed, and the libraries it computed with."""

    schema_version: Literal[1] = 1
    system: str
    processor: str
    vector_units: str
    """the instructions that torch uses."""
    libraries: dict[str, str]


def packed_on() -> PackedOn:
    """A description of this machine, without its name."""
    return PackedOn(
        system=platform.system(),
        processor=platform.machine(),
        vector_units=torch.backends.cpu.get_cpu_capability(),
        libraries={name: metadata.version(name) for name in _LIBRARIES},
    )


def is_same_kind(there: PackedOn, record: Record, device: torch.device) -> bool:
    """Whether numbers made there come back bit for bit here.

    Args:
        there: what the bundle says.
        record: with the device that evaluated.
        device: that computes here.
    """
    here = packed_on()
    name = f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type
    return (
        (there.system, there.processor, there.vector_units) == (here.system, here.processor, here.vector_units)
        and there.libraries.get("torch") == here.libraries["torch"]
        and record.environment.device == name
    )
