"""The pages: generated parts are there and current, links lead somewhere, examples in docstrings run."""

import doctest
import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from benchmarks.findings import findings
from fairbench.cli.main import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
COMMAND = re.compile(r"^(?:\$ )?(fairbench [a-z].*)$|`(fairbench [a-z][^`]*)`", re.MULTILINE)


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES)
def test_every_mark_of_a_page_is_filled_in(hooks, page):
    text = hooks.on_page_markdown((DOCS / page).read_text("utf-8"))
    assert not re.search(r"%\w+%", text)


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+\.md)\)", (DOCS / page).read_text("utf-8")):
        assert (DOCS / target).is_file(), target


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *(f"docs/{page}" for page in PAGES)])
def test_every_command_on_a_page_can_be_given(page):
    """Commands, options and numbers of arguments; ``N`` is a number, brackets are what may be left out."""
    for line, inline in re.findall(COMMAND, (ROOT / page).read_text("utf-8")):
        text = re.sub(r"[][]|\.{3}", "", (line or inline).partition(" > ")[0])
        words = ["1" if word == "N" else word for word in shlex.split(text, comments=True)]
        command = typer.main.get_command(app)
        context = click.Context(command, info_name=words.pop(0))
        while isinstance(command, click.Group) and words:
            name, command, words = command.resolve_command(context, words)
            context = click.Context(command, info_name=name, parent=context)
        if not isinstance(command, click.Group):
            command.make_context(command.name, words, parent=context)


def test_every_page_is_in_the_menu_once():
    menu = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert sorted(menu) == PAGES


def test_the_protocol_page_has_every_constant_of_every_track(hooks):
    from fairbench.protocol.track import load_track, track_names

    page = hooks.on_page_markdown((DOCS / "protocol.md").read_text("utf-8"))
    for name in track_names():
        section = page[page.index(f"### {name}\n") :].split("\n### ")[0]
        for key, value in _flat(load_track(name).model_dump(mode="json")):
            assert re.search(rf"^\s*-?\s*'?{re.escape(key)}'?:", section, re.MULTILINE), (name, key)
            if isinstance(value, int | float) and not isinstance(value, bool):
                assert f": {value}" in section, (name, key, value)


def test_what_the_findings_quote_is_what_the_boards_say():
    text = (DOCS / "findings.md").read_text("utf-8")
    boards = re.findall(r"^python -m benchmarks\.findings (\S+)$", text, re.MULTILINE)
    said = "\n\n".join("\n".join(line.rstrip() for line in findings(ROOT / board)) for board in boards)
    quotes = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(quotes) > len(boards) > 0
    for quote in quotes:
        assert quote in said + "\n", quote


def _flat(values):
    for key, value in values.items():
        yield key, value
        if isinstance(value, dict):
            yield from _flat(value)


def test_the_words_on_verification_have_the_numbers_of_the_code(hooks):
    from fairbench.submissions.draw import DEFAULT_IMAGES, images_needed

    page = (DOCS / "submissions.md").read_text("utf-8")
    assert f"{DEFAULT_IMAGES}\nimages catch it with a chance of 95 %" in page
    assert f"then one outcome may differ, and {images_needed(1)}\nimages are asked" in page


def test_every_method_has_a_card(hooks):
    from fairbench.registry import entries

    cards = hooks.method_cards()
    for name, entry in entries().items():
        if entry.origin == "built-in":
            assert f"### {name}: {entry.title}" in cards


def modules_with_examples():
    files = (path for path in sorted((ROOT / "fairbench").rglob("*.py")) if ">>> " in path.read_text("utf-8"))
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]


def test_there_are_examples_to_run():
    assert len(modules_with_examples()) >= 3


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_run(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted
    assert not result.failed


@pytest.mark.prove
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "protocol.html").is_file()
