"""Targets: their texts, and where they come from."""

import sys

import pytest

from learning_instrument.errors import ConfigurationError
from learning_instrument.instrumentation.targets import (
    NamedTarget,
    can_be_imported,
    declared_targets,
    parse_target,
    split_targets,
)


class Pool:
    pass


@pytest.mark.parametrize(
    ("text", "module", "path"),
    [
        ("package:Class", "package", "Class"),
        ("package.module:Class.method", "package.module", "Class.method"),
        (" package.module:function ", "package.module", "function"),
        ("__main__:Outer.Inner.method", "__main__", "Outer.Inner.method"),
    ],
)
def test_text_names_module_and_path(text, module, path):
    """``str()`` gives the same text."""
    target = parse_target(text)

    assert target == NamedTarget(module, path)
    assert str(target) == text.strip()


@pytest.mark.parametrize("target", [Pool, len, lambda task: task])
def test_class_or_function_is_itself(target):
    assert parse_target(target) is target


def test_invalid_target_is_an_error_that_names_it(subtests):
    for target in [
        "",
        "package",
        "package.module",
        ":Class",
        "package:",
        "a b:C",
        "a..b:C",
        "a:C:d",
        "a:C.",
        "a-b:C",
        5,
        None,
    ]:
        with subtests.test(target=target):
            with pytest.raises(ConfigurationError) as error:
                parse_target(target)

            assert repr(target) in str(error.value)


@pytest.mark.parametrize("text", ["a:B,c:D", " a:B , c:D,", ",a:B,,c:D"])
def test_list_is_separated_by_commas(text):
    assert split_targets(text) == ["a:B", "c:D"]


@pytest.fixture
def declaring(tmp_path, monkeypatch):
    """Install a package that declares targets."""

    def declare(*values):
        metadata = tmp_path / "some_pools-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: some_pools\nVersion: 1.0\n")
        names = "".join(f"pool_{n} = {value}\n" for n, value in enumerate(values))
        (metadata / "entry_points.txt").write_text(f"[learning_instrument_pools]\n{names}")
        monkeypatch.syspath_prepend(tmp_path)

    return declare


def test_environment_and_installed_packages_declare_targets(declaring, monkeypatch):
    """The environment first, and each target once."""
    declaring("some_pools.local:Pool", "some_pools.remote:Pool.run")
    monkeypatch.setenv("LEARNING_INSTRUMENT_POOLS", "mine:Pool, some_pools.local:Pool,mine:Pool")

    assert declared_targets() == ["mine:Pool", "some_pools.local:Pool", "some_pools.remote:Pool.run"]


def test_no_declaration_is_no_target():
    assert declared_targets() == []


def test_package_is_found_without_importing_it(tmp_path, monkeypatch):
    (tmp_path / "costly").mkdir()
    (tmp_path / "costly" / "__init__.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)

    assert can_be_imported("costly.pools")
    assert "costly" not in sys.modules


def test_package_beside_the_script_is_found(tmp_path, monkeypatch):
    """Under ``opentelemetry-instrument`` the script's folder is not on ``sys.path`` yet."""
    (tmp_path / "beside.py").touch()
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "app.py")])

    assert can_be_imported("beside")


def test_missing_package_is_not_found():
    assert not can_be_imported("no_such_package_of_anybodys.module")


def test_module_without_a_spec_is_not_found(monkeypatch):
    """``find_spec`` raises for it."""
    monkeypatch.setitem(sys.modules, "odd", type(sys)("odd"))
    sys.modules["odd"].__spec__ = None

    assert not can_be_imported("odd.pools")
