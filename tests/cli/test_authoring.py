"""From `methods new` to a listing: files that work, and an origin wherever a method shows."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fairbench import registry


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where the commands run; what they register is forgotten afterwards."""
    registry.entries()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setattr(registry, "_objectives", dict(registry._objectives))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_listings_say_where_everything_comes_from(fairbench: Callable, here: Path) -> None:
    assert fairbench("methods", "new", "mine").code == 0
    assert "mine" not in {row["name"] for row in json.loads(fairbench("methods", "list", "--json").out)}
    listed = json.loads(fairbench("methods", "list", "--local-methods", "--json").out)
    origins = {row["name"]: row["origin"] for row in listed}
    assert origins["faal"] == "built-in"
    assert origins["mine"].startswith("plug-in mine.py (sha256 ")
    assert "plug-in mine.py" in fairbench("methods", "show", "mine", "--local-methods").out
    for listing in ("metrics", "data"):
        assert {row["origin"] for row in json.loads(fairbench(listing, "list", "--json").out)} == {"built-in"}


def test_in_a_checkout_a_new_method_is_built_in_and_its_test_goes_to_the_others(
    fairbench: Callable, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = importlib.import_module("fairbench.methods")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(here / "methods")])
    answer = fairbench("methods", "new", "mine")
    assert answer.out.splitlines() == [
        f"wrote {Path('methods/mine.py')}",
        f"wrote {Path('tests/methods/test_mine.py')}",
        "Try it with: fairbench methods check mine",
        f"Run its test with: pytest {Path('tests/methods/test_mine.py')}",
    ]
    registry._built_in_methods.cache_clear()
    shown = fairbench("methods", "show", "mine", "--plugin", "methods/mine.py", "--json")
    sys.modules.pop("fairbench.methods.mine", None)
    assert json.loads(shown.out)["origin"] == "built-in"


@pytest.mark.prove
def test_a_new_method_passes_its_trials_and_its_own_test(fairbench: Callable, here: Path) -> None:
    answer = fairbench("methods", "new", "weigh_errors")
    assert "Try it with: fairbench methods check weigh_errors --plugin methods/weigh_errors.py" in answer.out
    checked = fairbench("methods", "check", "weigh_errors", "--plugin", "methods/weigh_errors.py", "--json")
    assert checked.code == 0, checked.out + checked.err
    outcomes = {check["name"]: check["outcome"] for check in json.loads(checked.out)}
    expected = ("loads", "runs", "shapes", "finite losses", "test set", "determinism", "state", "speed")
    assert outcomes == dict.fromkeys(expected, "passed")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "methods", "-k", "not trial"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=100, check=False)
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("faal", "method name 'faal' of the new method is taken by a built-in method"),
        ("at", "is taken by the objective of pgd_at"),
        ("My-Method", "'My-Method' .* cannot be written; use small letters"),
    ],
)
def test_a_name_that_cannot_be_had_is_refused_before_anything_is_written(
    fairbench: Callable, here: Path, name: str, message: str
) -> None:
    answer = fairbench("methods", "new", name)
    assert answer.code == 2
    assert re.search(message, answer.err)
    assert not list(here.iterdir())


def test_nothing_is_written_over(fairbench: Callable, here: Path) -> None:
    (here / "methods").mkdir()
    (here / "methods" / "test_mine.py").write_text("mine", encoding="utf-8")
    answer = fairbench("methods", "new", "mine")
    assert answer.code == 2
    assert "test_mine.py is there already" in answer.err
    assert [path.name for path in (here / "methods").iterdir()] == ["test_mine.py"]
