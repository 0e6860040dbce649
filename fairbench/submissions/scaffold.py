"""A new method to start from: one file with its test, here or in a checkout, or a package with an entry point."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from fairbench.errors import UsageError
from fairbench.files import write_text
from fairbench.registry import check_free_name, is_built_in_folder

_TEMPLATES = {
    "file": {"method.py.txt": "{name}.py", "test_file.py.txt": "test_{name}.py"},
    "checkout": {"method.py.txt": "{name}.py", "test_package.py.txt": "../tests/methods/test_{name}.py"},
    "package": {
        "pyproject.toml.txt": "pyproject.toml",
        "README.md.txt": "README.md",
        "method.py.txt": "src/fairbench_{name}/__init__.py",
        "test_package.py.txt": "tests/test_{name}.py",
    },
}


def write_method(name: str, folder: Path, *, package: bool = False) -> list[Path]:
    """Write a working method that weighs classes by their error, and a test that passes.

    Args:
        name: of the method: small letters, digits, underscores.
        folder: where the file goes, or the package's own new folder. In a checkout of fairbench, where ``methods/``
            holds the built-in methods, the test goes to theirs.
        package: whether to write a package that can be installed, or a single file.

    Returns:
        The files that were written.

    Raises:
        UsageError: if the name cannot be written or is taken, or a file is there already.
    """
    check_free_name(name)
    templates = _TEMPLATES["package" if package else "checkout" if is_built_in_folder(folder) else "file"]
    places = {template: folder / target.format(name=name) for template, target in templates.items()}
    targets = {template: Path(os.path.normpath(place)) for template, place in places.items()}
    taken = next((path for path in targets.values() if path.exists()), None)
    if taken is not None:
        raise UsageError(f"{taken} is there already; choose another name or folder")
    words = {"@name@": name, "@Title@": _title(name), "@Class@": _title(name).replace(" ", "")}
    for template, path in targets.items():
        text = (resources.files("fairbench.submissions") / "templates" / template).read_text("utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        write_text(path, text)
    return list(targets.values())


def _title(name: str) -> str:
    return " ".join(part.capitalize() for part in name.split("_") if part)
