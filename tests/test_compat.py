import importlib
import sys

import pytest
import torch

from fairbench.compat import import_robustbench, import_torchvision


def test_torchvision_imports_and_torch_is_left_as_it_was():
    before = torch.library.register_fake
    torchvision = import_torchvision()
    assert torch.library.register_fake is before
    assert import_torchvision() is torchvision
    from torchvision import datasets

    assert datasets.CIFAR10.base_folder == "cifar-10-batches-py"


def test_a_torchvision_built_for_another_device_still_imports(tmp_path, monkeypatch):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import torch\n"
        "@torch.library.register_fake('torchvision::an_operator_that_did_not_load')\n"
        "def shape(x): return x\n"
    )
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    before = torch.library.register_fake
    try:
        assert import_torchvision().shape(3) == 3
    finally:
        del sys.modules["torchvision"]
    assert torch.library.register_fake is before


def test_other_failures_are_not_hidden(monkeypatch):
    def fail(name):
        raise RuntimeError("libcudart is broken")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="libcudart is broken"):
        import_torchvision()


def test_robustbench_imports_with_the_published_autoattack():
    robustbench = import_robustbench()
    import pyautoattack
    from robustbench.eval import AutoAttack

    assert callable(robustbench.load_model)
    assert AutoAttack is pyautoattack.AutoAttack
    assert sys.modules["autoattack.state"] is sys.modules["pyautoattack.state"]
