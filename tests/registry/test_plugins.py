"""Plug-ins: files of other people that enter methods, or leave everything as it was."""

import subprocess
import sys

import pytest

from fairbench.compose import compose
from fairbench.errors import UsageError


def test_a_plug_in_with_a_dataclass_and_postponed_annotations_loads(own_registry, plugin, tiny):
    own_registry.load_plugin(plugin())
    entry = own_registry.find_entry("mine")
    assert "my_plugin.py" in entry.origin
    assert entry.summary == "A method of my own."
    method = compose("mine?strength=0.7").recipe().method.bind(tiny.setting(tiny.network()))
    assert method.options.strength == 0.7


def test_loading_a_plug_in_again_changes_nothing(own_registry, plugin):
    path = plugin()
    own_registry.load_plugin(path)
    part = own_registry.find_entry("mine").part
    own_registry.load_plugin(path)
    assert own_registry.find_entry("mine").part is part


def test_two_plug_ins_whose_files_have_one_name_both_load(own_registry, plugin):
    own_registry.load_plugin(plugin("mine", file="a/plugin.py"))
    own_registry.load_plugin(plugin("yours", file="b/plugin.py"))
    assert {"mine", "yours"} <= set(own_registry.entries())


@pytest.mark.parametrize("name", ["faal", "pgd_at", "at", "fawa"])
def test_a_built_in_name_cannot_be_shadowed(own_registry, plugin, name):
    before = own_registry.entries()
    with pytest.raises(UsageError, match=f"name '{name}' of plug-in my_plugin.py .*is taken"):
        own_registry.load_plugin(plugin(name))
    assert own_registry.entries() == before


def test_the_name_of_another_plug_in_cannot_be_shadowed(own_registry, plugin):
    own_registry.load_plugin(plugin(file="first.py"))
    with pytest.raises(UsageError, match=r"'mine' of plug-in second\.py .* is taken by plug-in first\.py"):
        own_registry.load_plugin(plugin(file="second.py"))
    assert "first.py" in own_registry.find_entry("mine").origin


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_module_anywhere", "ModuleNotFoundError.*no_such_module_anywhere"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(0)", "SystemExit"),
        (
            "@fairbench.register('own', title='', paper='', as_objective='own_at')\n"
            "class Own(fairbench.Objective): ...\n1 / 0",
            "ZeroDivisionError",
        ),
        ("@fairbench.register('faal', title='', paper='')\nclass Again(fairbench.Method): ...", "'faal' .*is taken"),
    ],
)
def test_a_plug_in_that_fails_half_way_leaves_the_registry_as_it_was(own_registry, plugin, rest, message):
    before, objectives, modules = own_registry.entries(), dict(own_registry._objectives), set(sys.modules)
    path = plugin(rest=rest)
    with pytest.raises(UsageError, match=message) as error:
        own_registry.load_plugin(path)
    assert "my_plugin.py" in str(error.value)
    assert own_registry.entries() == before
    assert own_registry._objectives == objectives
    assert not {name for name in set(sys.modules) - modules if name.startswith("fairbench_plugin")}
    path.write_text(path.read_text("utf-8").replace(rest, ""), encoding="utf-8")
    own_registry.load_plugin(path)
    assert "mine" in own_registry.entries()


@pytest.mark.parametrize("name", ["missing.py", "a_folder", "text.txt"])
def test_what_is_not_a_python_file_is_refused(own_registry, tmp_path, name):
    (tmp_path / "a_folder").mkdir()
    (tmp_path / "text.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(UsageError, match=f"{name} is not a"):
        own_registry.load_plugin(tmp_path / name)


def test_code_that_registers_before_anything_was_looked_up_cannot_take_a_built_in_name():
    """In a process of its own: the built-in methods are not loaded yet when it happens."""
    code = """
import fairbench
from fairbench.errors import UsageError
try:
    @fairbench.register("faal", title="Mine", paper="Nobody")
    class Mine(fairbench.Method):
        '''Mine.'''
except UsageError as error:
    assert "taken by a built-in method" in str(error), error
else:
    raise AssertionError("faal was shadowed")
@fairbench.register("mine", title="Mine", paper="Nobody")
class Mine(fairbench.Method):
    '''Mine.'''
from fairbench.registry import find_entry
assert find_entry("faal").origin == "built-in" != find_entry("mine").origin
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
