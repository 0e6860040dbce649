"""A folder has one owner at a time, whatever the file system offers, and is free again when its owner dies."""

import errno
import fcntl
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from fairbench.errors import UsageError
from fairbench.locks import claimed, is_claimed, lock_beside
from fairbench.progress import Silent

OWNER = """
    import errno, fcntl, sys, time
    from pathlib import Path
    from fairbench.locks import claimed, lock_beside
    from fairbench.progress import Silent

    def no_locks(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    if sys.argv[2] == "network":
        fcntl.flock = no_locks
    folder = Path(sys.argv[1])
    with claimed(folder, lock_beside(folder), Silent()):
        print("claimed", flush=True)
        time.sleep(60)
"""


class Ear(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, line: str) -> None:
        self.heard.append(line)


@pytest.fixture(params=["local", "network"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With locks of the operating system, and without."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    if request.param == "network":
        monkeypatch.setattr(fcntl, "flock", no_locks)
    return request.param


def test_a_lock_dies_with_its_owner(tmp_path, file_system):
    folder = tmp_path / "method" / "seed0"
    lock = lock_beside(folder)
    assert not is_claimed(lock)
    command = [sys.executable, "-c", textwrap.dedent(OWNER), str(folder), file_system]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "claimed\n"
        assert is_claimed(lock)
        owner.kill()
    assert lock.with_suffix(".owner").exists() == (file_system == "network")
    assert not is_claimed(lock)
    ear = Ear()
    with claimed(folder, lock, ear):
        assert is_claimed(lock)
    assert not ear.heard
    assert not is_claimed(lock)


@pytest.mark.usefixtures("file_system")
def test_a_second_one_waits_and_is_told(tmp_path):
    lock, ear, order = lock_beside(tmp_path / "seed0"), Ear(), []

    def second() -> None:
        with claimed(tmp_path / "seed0", lock, ear) as folder:
            order.append(folder.name)

    waits = threading.Thread(target=second)
    with claimed(tmp_path / "seed0", lock, Silent()):
        waits.start()
        while not ear.heard:
            waits.join(0.01)
        order.append("first")
    waits.join()
    assert order == ["first", "seed0"]
    assert ear.heard == [f"waiting for another process that writes into {tmp_path / 'seed0'}"]


def test_where_nothing_can_be_written_nothing_is_claimed(tmp_path):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "seed0"
    with pytest.raises(UsageError, match="cannot write"), claimed(folder, folder / ".lock", Silent()):
        pass
    assert not is_claimed(Path("/nowhere/.seed0.lock"))
