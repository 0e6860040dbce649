"""Arrows run one way: each room of the package imports only what stands before it, and no method knows another."""

import ast
import re
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GROUND = (
    "allocator",
    "errors",
    "files",
    "locks",
    "threads",
    "arrays",
    "progress",
    "compat",
    "lazy",
    "home",
    "extensions",
)
"""below everything"""
LADDER = (
    "losses",
    "attacks",
    "metrics",
    "protocol",
    "reference",
    "data",
    "models",
    "training",
    "registry",
    "evaluation",
    "leaderboard",
    "report",
    "launch",
    "submissions",
    "cli",
)
ROOM_OF_FILE = {"__main__": "cli", "written_form": "registry", "compose": "registry"}
RUNGS = {**dict.fromkeys(GROUND, 0), **{room: height for height, room in enumerate(LADDER, start=1)}}
METHOD_BY_NAME = re.compile(r"(fairbench\.)?methods\.[A-Za-z_]\w*")


@dataclass(frozen=True)
class Import:
    """One imported thing, wherever in the file it stands: at the top, in a function, or for the type checker."""

    file: str
    line: int
    target: str
    """Dotted, as ``fairbench.errors.UsageError``."""

    @property
    def room(self) -> str:
        part = self.target.partition(".")[2].partition(".")[0]
        return ROOM_OF_FILE.get(part, part)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.target}"


def imports_of(path: Path, root: Path) -> list[Import]:
    found = []
    file = path.relative_to(root).as_posix()
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found += [Import(file, node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            found += [Import(file, node.lineno, f"{start}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and METHOD_BY_NAME.fullmatch(node.value):
            found.append(Import(file, node.lineno, node.value))
    return found


def is_own(target: str) -> bool:
    return target.partition(".")[0] in ("fairbench", "methods", "")


def package_violations(root: Path) -> list[str]:
    """What the package imports from above, and whatever names a method."""
    broken = []
    files = sorted((root / "fairbench").rglob("*.py"))
    if not files:
        return [f"{root / 'fairbench'} holds no files"]
    for path in files:
        parts = path.relative_to(root / "fairbench").with_suffix("").parts
        room = ROOM_OF_FILE.get(parts[0], parts[0])
        if room not in RUNGS and room != "__init__":
            broken.append(f"{path.relative_to(root)} stands on no rung")
            continue
        for found in imports_of(path, root):
            if not is_own(found.target):
                continue
            if not found.target.startswith("fairbench") or METHOD_BY_NAME.match(found.target):
                broken.append(f"{found}: by a relative path or a method by its name")
            elif room != "__init__" and not found.target.startswith("fairbench.__"):
                if found.room not in RUNGS:
                    broken.append(f"{found}: which stands on no rung")
                elif RUNGS[found.room] > RUNGS[room]:
                    broken.append(f"{found}: upwards from {room}")
    return broken


def method_violations(root: Path) -> list[str]:
    """What methods import besides the rungs up to training, ``fairbench`` itself and constants of the registry."""
    broken = []
    files = [path for path in sorted((root / "methods").rglob("*.py")) if path.name != "__init__.py"]
    if not files:
        return [f"{root / 'methods'} holds no files"]
    for path in files:
        for found in imports_of(path, root):
            is_constant = re.fullmatch(r"fairbench\.registry\.[A-Z][A-Z_]*", found.target)
            if not is_own(found.target) or found.target == "fairbench" or is_constant:
                continue
            if found.room not in RUNGS or RUNGS[found.room] > RUNGS["training"] or found.target[0] in ".m":
                broken.append(f"{found}: methods import up to training and no other method")
    return broken


def cycle(root: Path) -> list[str]:
    """Modules of the package that import each other in a circle; a package counts by its ``__init__``."""
    modules = {}
    for path in (root / "fairbench").rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = {}
    for name, path in modules.items():
        targets = {found.target for found in imports_of(path, root) if is_own(found.target)}
        parents = {target.rpartition(".")[0] for target in targets}
        graph[name] = {target for target in targets | parents if target in modules} - {name, "fairbench"}
    graph.pop("fairbench", None)  # resolves its names on first use
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_the_package_imports_only_downwards_and_names_no_method():
    assert not package_violations(ROOT)


def test_methods_import_up_to_training_and_never_another_method():
    assert not method_violations(ROOT)


def test_no_modules_import_each_other():
    assert not cycle(ROOT)


@pytest.fixture
def tree(tmp_path):
    """A small package on the ladder, with one more line in one of its files."""

    def make(file=None, line=""):
        sound = {
            "fairbench/__init__.py": "",
            "fairbench/errors.py": "import difflib",
            "fairbench/losses/__init__.py": "from fairbench.losses.simple import loss",
            "fairbench/losses/simple.py": "import torch",
            "fairbench/training/step.py": "from fairbench.losses import loss\nfrom fairbench.errors import UsageError",
            "fairbench/registry.py": "import fairbench.training.step\nfrom fairbench.written_form import NAME",
            "fairbench/written_form.py": "from fairbench import errors",
            "fairbench/cli/main.py": "from fairbench import __version__\nfrom fairbench.registry import entries",
            "methods/__init__.py": "",
            "methods/good.py": "import fairbench\nfrom fairbench.registry import ANY_TRACK\nimport fairbench.losses",
        }
        if file:
            sound[file] = sound.get(file, "") + f"\n{line}\n"
        for name, text in sound.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return make


def test_a_sound_tree_passes(tree):
    root = tree()
    assert not [*package_violations(root), *method_violations(root), *cycle(root)]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("fairbench/losses/simple.py", "from fairbench.training.step import step"),
        ("fairbench/losses/simple.py", "from fairbench import training"),
        ("fairbench/losses/simple.py", "import fairbench.training.step as step"),
        ("fairbench/losses/simple.py", "def late():\n    from fairbench.cli.main import main"),
        ("fairbench/losses/simple.py", "if TYPE_CHECKING:\n    from fairbench.registry import Entry"),
        ("fairbench/training/step.py", "from fairbench.written_form import parse"),
        ("fairbench/errors.py", "from fairbench.losses import loss"),
        ("fairbench/training/step.py", "from . import other"),
        ("fairbench/training/step.py", "from fairbench.methods.good import Good"),
        ("fairbench/registry.py", "importlib.import_module('fairbench.methods.good')"),
        ("fairbench/training/step.py", "from fairbench import register"),
        ("fairbench/tools.py", "import torch"),
    ],
)
def test_an_arrow_that_runs_upwards_is_found(tree, file, line):
    assert len(package_violations(tree(file, line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "from fairbench.methods.other import Other",
        "from fairbench.methods import other",
        "from methods.other import Other",
        "from .other import Other",
        "from fairbench.registry import compose",
        "from fairbench import registry",
        "from fairbench.evaluation import evaluate",
        "def late():\n    from fairbench.launch.run import run_cell",
    ],
)
def test_a_method_that_knows_too_much_is_found(tree, line):
    assert len(method_violations(tree("methods/good.py", line))) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("fairbench/losses/simple.py", "from fairbench.losses import loss"),
        ("fairbench/written_form.py", "from fairbench.registry import entries"),
        ("fairbench/written_form.py", "def late():\n    import fairbench.registry"),
    ],
)
def test_modules_that_import_each_other_are_found(tree, file, line):
    root = tree(file, line)
    assert not package_violations(root)
    assert cycle(root)


def test_a_tree_without_files_fails(tmp_path):
    assert package_violations(tmp_path)
    assert method_violations(tmp_path)
