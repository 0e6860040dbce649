"""The tutorial, followed by the letter in a separate folder: its files written, its commands run as they stand."""

import glob
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fairbench import extensions, registry
from fairbench.cli.main import main
from fairbench.leaderboard.records import load_runs

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"```(console|python)\n(.*?)```", re.DOTALL)
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]


@pytest.fixture
def empty_place(tmp_path, monkeypatch):
    """A folder to work in and a place to install to; what is registered is forgotten afterwards."""
    registry.entries()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setattr(registry, "_objectives", dict(registry._objectives))
    work, site = tmp_path / "work", tmp_path / "site"
    work.mkdir()
    site.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(site)
    yield work, site
    forget_what_was_found()


def forget_what_was_found():
    extensions.extensions.cache_clear()
    registry._entry_point_methods.cache_clear()


def call(words: list[str]) -> int:
    """``fairbench`` in this process: the network's libraries are loaded once."""
    sys.argv = words
    try:
        main()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def run_line(line: str, site: Path, monkeypatch, capsys) -> str:
    """One line of a console: cd, pip, or fairbench with patterns and a redirection; what it printed."""
    command, _, target = line.partition(" > ")
    words = [one for word in shlex.split(command) for one in (glob.glob(word) if "*" in word else [word])]
    if words[0] == "cd":
        monkeypatch.chdir(words[1])
        return ""
    if words[:2] == ["pip", "install"]:
        subprocess.run([*PIP, "--target", str(site), *words[2:]], check=True, timeout=200)
        forget_what_was_found()
        return ""
    assert words[0] == "fairbench", line
    monkeypatch.setattr(sys, "argv", words)
    capsys.readouterr()
    code = call(words)
    printed = capsys.readouterr()
    assert code == 0, f"{line}\n{printed.out}\n{printed.err}"
    if target:
        Path(target).write_text(printed.out, "utf-8")
    return printed.out


def follow(site: Path, monkeypatch, capsys) -> dict[str, str]:
    """Every block of the tutorial in its order; line -> what it printed."""
    printed = {}
    for kind, text in BLOCK.findall(TUTORIAL.read_text("utf-8")):
        if kind == "python":
            name, _, content = text.partition("\n")
            Path(name.removeprefix("# file: ")).write_text(content, "utf-8")
            continue
        for line in text.splitlines():
            printed[line] = run_line(line.removeprefix("$ "), site, monkeypatch, capsys)
    return printed


def test_a_method_written_from_the_tutorial_becomes_a_verified_row(empty_place, monkeypatch, capsys):
    work, site = empty_place
    printed = follow(site, monkeypatch, capsys)
    folder = work / "weak-first"
    show, check, verify, add = (
        next(text for line, text in printed.items() if words in line)
        for words in ("methods show", "methods check", "submit verify", "submit add")
    )
    assert "entry point fairbench_weak_first of fairbench-weak_first 0.1.0" in show
    assert check.count("passed") >= 7
    assert "failed" not in check
    assert "\nverified (seed " in verify
    assert "The page is board/digits/index.html" in add
    for page in (folder / "reports" / "digits", folder / "board" / "digits"):
        assert "weak_first" in (page / "index.html").read_text("utf-8")
        assert "weak_first" in (page / "results.csv").read_text("utf-8")
    (row,) = load_runs(folder / "board")
    assert (row.record.method, row.verified) == ("weak_first", True)
    assert row.record.origin.startswith("entry point fairbench_weak_first")
    assert "A. Doe" in (row.path.parent / "card.yaml").read_text("utf-8")
    tests = [part for name, part in runpy.run_path("tests/test_weak_first.py").items() if name.startswith("test_")]
    assert len(tests) == 1
    tests[0]()
