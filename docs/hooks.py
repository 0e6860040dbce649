"""Pages made from the code: mkdocs calls ``on_page_markdown``, which fills in what stands between percent signs."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import click
import typer
import yaml

from fairbench.cli.main import app
from fairbench.metrics import METRICS, PAIR_METRICS
from fairbench.protocol.conditions import CONDITIONS
from fairbench.protocol.masking import SIGNS
from fairbench.protocol.record import PROTOCOL_VERSION, SCHEMA_VERSION
from fairbench.protocol.track import load_track, track_names
from fairbench.registry import Entry, entries
from fairbench.submissions.archive import LIMITS, OPTIONAL
from fairbench.submissions.checks import CHECKS
from fairbench.submissions.draw import CHANCE, DEFAULT_IMAGES, FALSE_SHARE, images_needed
from fairbench.submissions.examples import EXAMPLES
from fairbench.submissions.rerun import TOLERATED
from fairbench.submissions.trial import TRIALS
from fairbench.training.dro import worst_case_weights

_MARK = re.compile(r"%(\w+)%")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A page with its generated parts in place; an unknown mark is an error."""
    return _MARK.sub(lambda mark: GENERATED[mark[1]](), markdown)


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _named(values: Mapping[str, str], first: str) -> str:
    return table([first, "what it says"], [[f"`{name}`", text] for name, text in values.items()])


def tracks() -> str:
    """Every track with every constant that it fixes."""
    parts = []
    for name in track_names():
        track = load_track(name)
        text = yaml.safe_dump(track.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        parts.append(f"### {name}\n\n{track.title}: {track.summary}\n\n```yaml\n{text}```\n")
    return "\n".join(parts)


def constants() -> str:
    """The numbers of versions and of verification."""
    rows = [
        ["schema version of a record", str(SCHEMA_VERSION)],
        ["protocol version", str(PROTOCOL_VERSION)],
        ["images asked again, per condition", str(DEFAULT_IMAGES)],
        ["share of false outcomes to be caught", f"{FALSE_SHARE:.0%}"],
        ["chance to catch it", f"{CHANCE:.0%}"],
        ["images that this takes on the same kind of machine", str(images_needed(0))],
        ["differences tolerated on another kind of machine", f"{TOLERATED} of {images_needed(TOLERATED)}"],
        ["images with adversarial examples in a bundle", str(EXAMPLES)],
    ]
    return table(["constant", "value"], rows)


def members() -> str:
    """The files of a bundle."""
    rows = [[f"`{name}`", f"{limit:,} bytes", "no" if name in OPTIONAL else "yes"] for name, limit in LIMITS.items()]
    return table(["file", "at most", "needed"], rows)


def metrics() -> str:
    """Every metric with formula and source."""
    named = [*METRICS.values(), *PAIR_METRICS.values()]
    rows = [[f"`{m.name}`", m.summary, f"`{m.formula}`", m.source] for m in named]
    return table(["metric", "what it is", "formula", "source"], rows)


def method_cards() -> str:
    """A card for each method of the registry, by family."""
    by_family: dict[str, list[Entry]] = {}
    for entry in entries().values():
        by_family.setdefault(entry.family, []).append(entry)
    parts = []
    for family, members_of in sorted(by_family.items()):
        parts.append(f"## {family.capitalize()}\n")
        parts += [_card(entry) for entry in members_of]
    return "\n".join(parts)


def _card(entry: Entry) -> str:
    link = f" ([paper]({entry.link}))" if entry.link else ""
    equations = inspect.cleandoc(entry.part.__doc__ or "")
    rows = [
        ["stands on", ", ".join(f"`{name}`" for name in entry.objectives)],
        ["needs", ", ".join(entry.needs) or "nothing but data"],
        ["options", ", ".join(f"`{name}`" for name in entry.part.Options.model_fields) or "none"],
        ["origin", entry.origin],
    ]
    about = table(["", ""], rows)
    return f"### {entry.name}: {entry.title}\n\n{entry.paper}{link}\n\n{about}\n\n```text\n{equations}\n```\n"


def command_line() -> str:
    """The help of every command, as it is printed."""
    root = typer.main.get_command(app)
    return "\n".join(_help(root, "fairbench"))


def _help(command: click.Command, path: str) -> list[str]:
    context = click.Context(command, info_name=path, max_content_width=100, terminal_width=100)
    parts = [f"### {path}\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            parts += _help(inner, f"{path} {name}")
    return parts


PUBLIC = ("fairbench", "fairbench.attacks", "fairbench.metrics", "fairbench.data", "fairbench.models")
"""The modules whose ``__all__`` is the public interface."""


def python() -> str:
    """Signature and docstring of everything that can be imported by name."""
    parts = []
    for place in PUBLIC:
        module = importlib.import_module(place)
        named = {name: getattr(module, name) for name in module.__all__}
        if place == "fairbench":
            named |= {"training.dro.worst_case_weights": worst_case_weights}
        parts.append(f"### {place}\n\n{inspect.cleandoc(module.__doc__ or '')}\n")
        parts += [_explained(f"{place}.{name}", part) for name, part in named.items() if callable(part)]
    return "\n".join(parts)


def _explained(name: str, part: Any) -> str:
    """A function, or a class with the methods that it defines itself."""
    lines = [f"{name.rpartition('.')[2]}{_signature(part)}", textwrap.indent(inspect.getdoc(part) or "", "    ")]
    if inspect.isclass(part):
        for method, function in vars(part).items():
            if inspect.isfunction(function) and not method.startswith("_"):
                about = f"{method}{_signature(function)}\n{textwrap.indent(inspect.getdoc(function) or '', '    ')}"
                lines.append(textwrap.indent(about, "    "))
    return f"#### {name}\n\n```text\n" + "\n\n".join(lines) + "\n```\n"


def _signature(function: Callable[..., Any]) -> str:
    """The arguments, with a line for each where there are many."""
    text = str(inspect.signature(function)).replace("'", "")
    return text if len(text) <= 80 else re.sub(r", (?=\*|\w+: )", ",\n    ", text).replace("(", "(\n    ", 1)


GENERATED: dict[str, Callable[[], str]] = {
    "tracks": tracks,
    "constants": constants,
    "members": members,
    "metrics": metrics,
    "method_cards": method_cards,
    "command_line": command_line,
    "python": python,
    "conditions": lambda: _named(CONDITIONS, "condition"),
    "checks": lambda: _named(CHECKS, "check"),
    "signs": lambda: table(["sign", "what is counted"], [[f"`{name}`", text] for name, text in SIGNS.items()]),
    "trials": lambda: _named(TRIALS, "check"),
}
"""What may stand between percent signs -> the text for it."""
