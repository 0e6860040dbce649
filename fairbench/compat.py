"""Imports of libraries that fail for reasons of packaging, and how to get past them."""

from __future__ import annotations

import importlib
import importlib.util
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


def import_torchvision() -> ModuleType:
    """Torchvision, also where its compiled operators do not load.

    A torchvision that was built for another device than the installed torch stops its own import when it registers
    shape functions for operators that are not there. Data sets and transforms need none of them.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    with _without_shape_functions("torchvision::"):
        return importlib.import_module("torchvision")


def import_robustbench() -> ModuleType:
    """RobustBench, which asks for ``autoattack`` where the package index has ``pyautoattack``."""
    import_torchvision()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _provide_autoattack()
        return importlib.import_module("robustbench")


@contextmanager
def without_network() -> Iterator[None]:
    """Within, no connection can be opened: libraries that would download something fail with ``OSError`` instead."""
    connect: Any = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        raise OSError("the network may not be used here")

    socket.socket.connect = refuse
    try:
        yield
    finally:
        socket.socket.connect = connect


def _provide_autoattack() -> None:
    if "autoattack" in sys.modules or importlib.util.find_spec("autoattack"):
        return
    importlib.import_module("pyautoattack")
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "pyautoattack":
            sys.modules[name.removeprefix("py")] = module


@contextmanager
def _without_shape_functions(prefix: str) -> Iterator[None]:
    library: Any = importlib.import_module("torch.library")
    register = library.register_fake

    def register_unless_prefixed(op: Any, *args: Any, **options: Any) -> Callable[..., Any]:
        if isinstance(op, str) and op.startswith(prefix):
            return lambda function: function
        return register(op, *args, **options)

    library.register_fake = register_unless_prefixed
    try:
        yield
    finally:
        library.register_fake = register
