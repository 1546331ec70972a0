"""Targets: their texts, and where they come from."""

import sys

import pytest

from learning_instrument.errors import ConfigurationError
from learning_instrument.instrumentation import targets
from learning_instrument.instrumentation.targets import (
    SWALLOWING,
    NamedAdapter,
    NamedTarget,
    can_be_imported,
    declared_targets,
    installed_adapters,
    is_installed,
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


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("celery", "celery"),
        (" CELERY ", "celery"),
        ("Pydantic_AI", "pydantic-ai"),
        ("concurrent.futures", "concurrent.futures"),
        ("Concurrent_Futures", "concurrent.futures"),
        ("concurrent-futures", "concurrent.futures"),
    ],
)
def test_adapter_is_named_as_people_type_it(text, name):
    """Case, ``-``, ``_`` and ``.`` alike."""
    assert parse_target(text) == NamedAdapter(name)


@pytest.mark.parametrize(("library", "module"), [("openai-agents", "agents"), ("google-adk", "google.adk")])
def test_module_of_the_same_name_is_no_library(tmp_path, monkeypatch, library, module):
    """An application has a package ``agents`` of its own, and many share ``google``."""
    (tmp_path / module.partition(".")[0]).mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    assert can_be_imported(module)
    assert not is_installed(library, module)
    assert library not in installed_adapters()


def test_library_is_installed_by_its_distribution(monkeypatch):
    """Whatever its module is called."""
    assert is_installed("pytest-xdist", "xdist")


def test_auto_stands_for_the_adapters_that_are_installed(monkeypatch):
    """Those of executors only where no library above them is."""
    monkeypatch.setattr(targets, "is_installed", lambda library, module: library in ("dramatiq", "celery"))
    assert installed_adapters() == ["celery", "dramatiq"]

    monkeypatch.setattr(targets, "is_installed", lambda library, module: False)
    assert installed_adapters() == ["concurrent.futures", "multiprocessing"]


@pytest.mark.parametrize("target", SWALLOWING)
def test_function_that_hides_failures_is_refused(target):
    """With the name of the adapter, or the method, to use."""
    with pytest.raises(ConfigurationError, match=f"failures would be recorded.*'{SWALLOWING[target]}'"):
        parse_target(target)


ADAPTER_MODULE = """
from learning_instrument.adapters import Adapter, Executes, Run
ADAPTER = Adapter(name="shop", rows=(Executes(target="shop:work", read=lambda: Run()),))
"""


def test_module_as_entry_point_is_an_adapter(declaring, tmp_path):
    """Named by the entry point, and found by that name in any spelling."""
    (tmp_path / "shop_telemetry.py").write_text(ADAPTER_MODULE)
    declaring("shop_telemetry")

    assert declared_targets() == ["pool-0"]
    assert parse_target("Pool_0").name == "shop"


@pytest.mark.parametrize("source", ["ADAPTER = 5", "raise RuntimeError('broken')", "import sys; sys.exit(3)", ""])
def test_invalid_adapter_of_a_package_is_an_error(source, declaring, tmp_path):
    """That names its module."""
    name = f"telemetry_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    declaring(name)

    with pytest.raises(ConfigurationError, match=f"Invalid adapter '{name}'"):
        parse_target("pool-0")


@pytest.mark.parametrize(("text", "meant"), [("jobib", "joblib"), ("Selery", "celery"), ("shop.Pool", "shop:Pool")])
def test_error_says_what_may_have_been_meant(text, meant):
    """A name of an adapter that is near, or a target with a colon."""
    with pytest.raises(ConfigurationError, match=f"Did you mean '{meant}'"):
        parse_target(text)
