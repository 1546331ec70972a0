"""``PoolInstrumentor``: records pools without changes to their code, and restores them."""

import abc
import asyncio
import functools
import importlib
import os
import pickle
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

import cloudpickle
import dill
import huey
import pytest
import wrapt
from opentelemetry import trace

from learning_instrument import LearningDatabase, PoolInstrumentor, configure, record_execution
from learning_instrument.errors import ConfigurationError
from learning_instrument.safety import variables

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


@pytest.fixture
def instrument(database):
    """Instrument targets into ``database``, and uninstrument them afterwards."""

    def instrument(*targets, **options):
        options = {"database": database, **options}
        if targets:
            options["targets"] = targets
        PoolInstrumentor().instrument(**options)

    yield instrument
    if PoolInstrumentor().is_instrumented_by_opentelemetry:
        PoolInstrumentor().uninstrument()


@pytest.fixture
def task_ids(rows):
    return lambda: [row["task_id"] for row in rows()]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write a package that is not imported yet, and return its name."""
    name = f"pools_of_{tmp_path.name.replace('-', '_')}"
    source = """
        class Pool:
            def execute_task(self, task):
                return {"success": True}
            def run(self, job):
                return {"success": False, "error": "no"}
        class Remote(Pool):
            def execute_task(self, task):
                return super().execute_task(task)
        class Outer:
            class Inner(Pool):
                pass
        def work(task):
            return task
        value = 5
    """
    folder = tmp_path / "src" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "local.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path / "src")
    yield name
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def plain_pool():
    class Pool:
        def execute_task(self, task):
            return {"success": True}

    return Pool


def work(task):
    """A function that can be found by its name."""
    return task


# Targets.


def test_class_is_found_when_it_is_imported(instrument, package, task_ids):
    """The instrumentor does not import it."""
    instrument(f"{package}.local:Pool")
    assert f"{package}.local" not in sys.modules

    local = importlib.import_module(f"{package}.local")
    assert local.Pool().execute_task({"task_id": "t"}) == {"success": True}

    assert task_ids() == ["t"]


def test_class_that_was_imported_before_is_found(instrument, package, task_ids):
    local = importlib.import_module(f"{package}.local")
    pool = local.Pool()

    instrument(f"{package}.local:Pool")
    pool.execute_task({"task_id": "t"})

    assert task_ids() == ["t"]


def test_method_is_named(instrument, package, rows):
    """Only that method is recorded."""
    instrument(f"{package}.local:Pool.run")
    pool = importlib.import_module(f"{package}.local").Pool()

    pool.run({"task_id": "t"})
    pool.execute_task({"task_id": "not"})

    assert [(row["task_id"], row["outcome"], row["pool_type"]) for row in rows()] == [("t", "failed", "Pool")]


def test_function_is_named(instrument, package, task_ids):
    instrument(f"{package}.local:work")

    importlib.import_module(f"{package}.local").work({"task_id": "t"})

    assert task_ids() == ["t"]


def test_nested_class_is_named_and_records_what_it_inherits(instrument, package, task_ids):
    """In the class that defines the method."""
    instrument(f"{package}.local:Outer.Inner")

    importlib.import_module(f"{package}.local").Outer.Inner().execute_task({"task_id": "t"})

    assert task_ids() == ["t"]


def test_inherited_method_is_named(instrument, package, task_ids):
    instrument(f"{package}.local:Remote.run")

    importlib.import_module(f"{package}.local").Remote().run({"task_id": "t"})

    assert task_ids() == ["t"]


def test_class_and_function_objects(instrument, task_ids):
    pool = plain_pool()
    instrument(pool, work)

    pool().execute_task({"task_id": "class"})
    sys.modules[__name__].work({"task_id": "function"})

    assert task_ids() == ["class", "function"]


def test_list_in_one_string(database, package, task_ids):
    """As in a configuration file."""
    PoolInstrumentor().instrument(targets=f"{package}.local:Pool.run, {package}.local:work", database=database.path)
    local = importlib.import_module(f"{package}.local")
    local.Pool().run({"task_id": "method"})
    local.work({"task_id": "function"})
    PoolInstrumentor().uninstrument()

    assert task_ids() == ["method", "function"]


def test_environment_names_targets(instrument, package, task_ids, monkeypatch):
    monkeypatch.setenv("LEARNING_INSTRUMENT_POOLS", f"{package}.local:Pool")
    instrument()

    importlib.import_module(f"{package}.local").Pool().execute_task({"task_id": "t"})

    assert task_ids() == ["t"]


def declare(package, folder, *lines):
    """Install the package in *folder*, with the entry points of *lines*."""
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("\n".join(["[learning_instrument_pools]", *lines]))
    importlib.invalidate_caches()


def test_installed_package_declares_targets(instrument, package, task_ids, tmp_path):
    declare(package, tmp_path / "src", f"local = {package}.local:Pool")
    instrument()

    importlib.import_module(f"{package}.local").Pool().execute_task({"task_id": "t"})

    assert task_ids() == ["t"]


@pytest.mark.parametrize(
    "source",
    [
        "raise SystemExit(3)",
        "ADAPTER = Adapter(name='wrong', rows=(5,))",
        "ADAPTER = Adapter(name='wrong', rows=(lambda tools: sys.exit(3),))",
        "ADAPTER = Adapter(name='wrong', rows=None)",
        "ADAPTER = Adapter(name='wrong', rows=(Executes(target=5, read=print),))",
    ],
)
def test_invalid_adapter_of_an_installed_package_is_one_warning(
    instrument, package, task_ids, tmp_path, caplog, source
):
    """The application starts, and what else is declared is recorded."""
    imports = "import sys\nfrom learning_instrument.adapters import Adapter, Executes\n"
    (tmp_path / "src" / package / "wrong.py").write_text(imports + source)
    declare(package, tmp_path / "src", f"wrong = {package}.wrong", f"local = {package}.local:Pool")
    instrument()

    importlib.import_module(f"{package}.local").Pool().execute_task({"task_id": "t"})

    assert task_ids() == ["t"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("target", ["nonsense", 5, "a:", lambda task: task])
def test_invalid_target_is_an_error_where_it_is_passed(instrument, target, tmp_path):
    """Nothing is instrumented."""
    pool = plain_pool()
    original = vars(pool)["execute_task"]

    with pytest.raises(ConfigurationError):
        instrument(pool, target)

    assert vars(pool)["execute_task"] is original
    assert not PoolInstrumentor().is_instrumented_by_opentelemetry
    configure(tmp_path / "other.db")


def test_invalid_target_of_the_environment_is_one_warning(instrument, package, task_ids, monkeypatch, caplog):
    """It says what may have been meant; the others are instrumented."""
    monkeypatch.setenv("LEARNING_INSTRUMENT_POOLS", f"celry, {package}.local:Pool")
    instrument()

    importlib.import_module(f"{package}.local").Pool().execute_task({"task_id": "t"})

    assert task_ids() == ["t"]
    (message,) = caplog.messages
    assert message.startswith("Invalid target 'celry'"), message
    assert message.endswith("Did you mean 'celery'?"), message


@pytest.mark.parametrize("variable", ["DURABILITY", "RETENTION_DAYS", "MAX_SIZE", "BUDGET"])
def test_invalid_setting_of_the_environment_is_one_warning(
    instrument, database, task_ids, monkeypatch, caplog, variable
):
    """An exception would stop OpenTelemetry from loading other instrumentors, and the pools are recorded."""
    monkeypatch.setattr(variables, "ignored", {})
    monkeypatch.setenv(f"LEARNING_INSTRUMENT_{variable}", "nonsense")
    pool = plain_pool()

    instrument(pool, database=database.path)

    assert pool().execute_task({"task_id": "t"}) == {"success": True}
    assert task_ids() == ["t"]
    assert ["nonsense" in record.message for record in caplog.records] == [True]


def test_missing_package_is_one_warning(instrument, caplog, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["application.py"])  # "-c" in a worker of xdist, as in helper processes
    instrument("no_such_package_of_anybodys.module:Pool")

    assert ["no_such_package_of_anybodys" in record.message for record in caplog.records] == [True]


def test_missing_library_is_one_warning(instrument, caplog, monkeypatch):
    """Where it is named: mahavishnu is looked for by default."""
    monkeypatch.setattr(sys, "argv", ["application.py"])
    monkeypatch.setattr(
        "learning_instrument.instrumentation.instrumentor.can_be_imported", lambda module: "." in module
    )
    monkeypatch.setenv("LEARNING_INSTRUMENT_POOLS", "celery,concurrent.futures")

    instrument()

    assert [record.getMessage() for record in caplog.records] == [
        "The target celery is not instrumented: the package 'celery' is not installed."
    ]


def test_function_that_hides_failures_is_no_target_by_another_name(instrument, caplog):
    """Of a module that imports its class; one warning says what to name."""
    execute = huey.Huey._execute

    instrument("huey:Huey._execute")

    assert huey.Huey._execute is execute
    assert ["Name 'huey' instead" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize(
    "path", ["Nobody", "Nobody.execute_task", "Nobody.at.all", "Pool.nothing", "nothing", "value.x"]
)
def test_missing_class_or_method_is_one_warning(instrument, package, caplog, path):
    """When its module is imported; the import goes on."""
    instrument(f"{package}.local:{path}")

    assert importlib.import_module(f"{package}.local").value == 5
    assert [f"has no {path}" in record.message for record in caplog.records] == [True]


def test_target_that_is_not_a_function_is_one_warning(instrument, package, caplog):
    instrument(f"{package}.local:value")

    assert importlib.import_module(f"{package}.local").value == 5
    assert len(caplog.records) == 1


def test_class_without_the_method_is_one_warning(instrument, caplog):
    class Pool:
        pass

    instrument(Pool)

    assert ["Pool has no method execute_task" in record.message for record in caplog.records] == [True]


@pytest.mark.parametrize("argument", ["nonsense", "batch"])
def test_unknown_argument_is_an_error(instrument, argument):
    with pytest.raises(ConfigurationError, match=argument):
        instrument(plain_pool(), **{argument: 1})


# Classes of all kinds.


def test_present_and_future_subclasses_are_recorded_once(instrument, task_ids):
    """With ``super().execute_task()``, and an inherited method."""
    pool = plain_pool()

    class Today(pool):
        def execute_task(self, task):
            return super().execute_task(task)

    instrument(pool)

    class Later(Today):
        def execute_task(self, task):
            return super().execute_task(task)

    class Inheriting(Later):
        pass

    for n, cls in enumerate([pool, Today, Later, Inheriting]):
        assert cls().execute_task({"task_id": f"t-{n}"}) == {"success": True}

    assert task_ids() == ["t-0", "t-1", "t-2", "t-3"]
    assert "execute_task" not in vars(Inheriting)


def test_abstract_method_stays_abstract(instrument, task_ids):
    class Pool(abc.ABC):
        @abc.abstractmethod
        def execute_task(self, task): ...

    original = vars(Pool)["execute_task"]
    instrument(Pool)

    class Concrete(Pool):
        def execute_task(self, task):
            return super().execute_task(task)

    Concrete().execute_task({"task_id": "t"})

    with pytest.raises(TypeError, match="abstract"):
        Pool()
    assert vars(Pool)["execute_task"] is original
    assert task_ids() == ["t"]


def test_static_and_class_methods(instrument, task_ids):
    class Static:
        @staticmethod
        def execute_task(task):
            return task

    class OfClass:
        @classmethod
        def execute_task(cls, task):
            return cls, task

    originals = vars(Static)["execute_task"], vars(OfClass)["execute_task"]
    instrument(Static, OfClass)

    assert Static.execute_task({"task_id": "1"}) == Static().execute_task({"task_id": "1"})
    assert OfClass.execute_task({"task_id": "2"}) == (OfClass, {"task_id": "2"})

    PoolInstrumentor().uninstrument()
    assert (vars(Static)["execute_task"], vars(OfClass)["execute_task"]) == originals
    assert task_ids() == ["1", "1", "2"]


def test_coroutine_method(instrument, task_ids):
    class Pool:
        async def execute_task(self, task):
            await asyncio.sleep(0)
            return task

    instrument(Pool)

    assert asyncio.run(Pool().execute_task({"task_id": "t"})) == {"task_id": "t"}
    assert task_ids() == ["t"]


def test_generic_protocol_and_keyword_classes(instrument, task_ids):
    class OfAny(Generic[T]):
        def execute_task(self, task: T) -> T:
            return task

    class Shape(Protocol):
        def execute_task(self, task): ...

    class Registered:
        kinds: ClassVar[list] = []

        def __init_subclass__(cls, *, kind, **kwargs):
            super().__init_subclass__(**kwargs)
            cls.kinds.append(kind)

    instrument(OfAny, Shape, f"{__name__}:no_such_thing", Registered)

    class OfDict(OfAny[dict]):
        def execute_task(self, task):
            return super().execute_task(task)

    class Shaped(Shape):
        def execute_task(self, task):
            return task

    class Late(Registered, kind="late"):
        def execute_task(self, task):
            return task

    for n, cls in enumerate([OfAny[int], OfDict, Shaped, Late]):
        cls().execute_task({"task_id": f"t-{n}"})

    assert Registered.kinds == ["late"]
    assert task_ids() == ["t-0", "t-1", "t-2", "t-3"]


def test_dataclass_with_slots_is_recorded_and_restored(instrument, task_ids):
    """Its decorator copies the attributes of the class into a second one."""

    @dataclass
    class Pool:
        name: str = "base"

        def execute_task(self, task):
            return self.name

    instrument(Pool)

    @dataclass(slots=True)
    class Slotted(Pool):
        size: int = 2

        def execute_task(self, task):
            return f"{self.name} {self.size}"

    @dataclass(slots=True)
    class Further(Slotted):
        def execute_task(self, task):
            return "further"

    assert Slotted().execute_task({"task_id": "t"}) == "base 2"
    assert Further().execute_task({"task_id": "u"}) == "further"
    PoolInstrumentor().uninstrument()
    Slotted().execute_task({"task_id": "after"})

    assert task_ids() == ["t", "u"]
    assert [type(vars(cls)["execute_task"]).__name__ for cls in (Pool, Slotted, Further)] == ["function"] * 3


def test_decorated_pool_is_recorded_once_and_stays_decorated(instrument, configured, task_ids):
    class Pool:
        @record_execution
        def execute_task(self, task):
            return task

    original = vars(Pool)["execute_task"]
    instrument(Pool)

    Pool().execute_task({"task_id": "t"})
    PoolInstrumentor().uninstrument()
    Pool().execute_task({"task_id": "after"})

    assert vars(Pool)["execute_task"] is original
    assert task_ids() == ["t", "after"]


def test_class_named_twice_is_recorded_once_and_restored(instrument, package, task_ids):
    """With its subclass, and by its method."""
    local = importlib.import_module(f"{package}.local")
    before = vars(local.Pool)["execute_task"], vars(local.Remote)["execute_task"]
    instrument(local.Pool, f"{package}.local:Remote", f"{package}.local:Pool.execute_task", local.Pool)

    class Later(local.Remote):
        def execute_task(self, task):
            return super().execute_task(task)

    Later().execute_task({"task_id": "t"})
    PoolInstrumentor().uninstrument()
    Later().execute_task({"task_id": "after"})

    assert (vars(local.Pool)["execute_task"], vars(local.Remote)["execute_task"]) == before
    assert "__init_subclass__" not in vars(local.Pool)
    assert task_ids() == ["t"]


def test_class_that_cannot_be_changed_is_an_error_where_it_is_passed(instrument):
    with pytest.raises(TypeError):
        instrument(dict)
    assert not PoolInstrumentor().is_instrumented_by_opentelemetry


def test_pool_pickles_as_before(instrument, package):
    instrument(f"{package}.local:Pool", f"{package}.local:work")
    local = importlib.import_module(f"{package}.local")

    assert type(pickle.loads(pickle.dumps(local.Pool()))) is local.Pool
    assert pickle.loads(pickle.dumps(local.Pool().execute_task))({}) == {"success": True}
    assert pickle.loads(pickle.dumps(local.work)) is local.work


@pytest.mark.parametrize("library", [pickle, cloudpickle, dill])
def test_what_a_target_pickles_as_needs_nothing_of_ours(instrument, package, database, library):
    """The same bytes as before: what loads them may lack this package, as its module does."""
    local = importlib.import_module(f"{package}.local")
    functions = (lambda: local.work, lambda: local.Pool.execute_task, lambda: local.Pool().execute_task)
    before = [library.dumps(function()) for function in functions]
    configure(database)

    instrument(f"{package}.local:Pool", f"{package}.local:work")

    assert [library.dumps(function()) for function in functions] == before


def test_options_are_those_of_the_decorator(instrument, rows):
    pool, seen = plain_pool(), []
    instrument(
        pool,
        pool_type="mine",
        fields={"task_type": "kind"},
        success_when=lambda result: False,
        request_hook=lambda span, instance, task: seen.append(task),
        capture_content=False,
    )

    pool().execute_task({"kind": "k", "prompt": "secret"})

    (row,) = rows()
    assert (row["pool_type"], row["task_type"], row["outcome"], row["task_description"]) == ("mine", "k", "failed", "")
    assert len(seen) == 1


def test_database_of_each_pool(instrument, tmp_path, database, rows):
    """``learning_db`` replaces the configured database, and configures nothing."""
    with LearningDatabase(tmp_path / "other.db") as other:
        pool = plain_pool()
        instrument(pool, learning_db=lambda pool: other)
        pool().execute_task({"task_id": "t"})

        assert [row["task_id"] for row in other.query("SELECT task_id FROM executions")] == ["t"]
    assert rows() == []


# Uninstrumenting.


def test_uninstrumented_pool_is_restored_and_records_nothing(instrument, task_ids):
    pool = plain_pool()
    original = dict(vars(pool))
    instrument(pool)
    method = pool().execute_task

    PoolInstrumentor().uninstrument()
    pool().execute_task({"task_id": "after"})
    method({"task_id": "got before"})

    assert dict(vars(pool)) == original
    assert task_ids() == []


def test_instrumenting_twice_records_once(instrument, task_ids):
    pool = plain_pool()
    original = vars(pool)["execute_task"]
    instrument(pool)
    instrument(pool)
    pool().execute_task({"task_id": "t"})

    PoolInstrumentor().uninstrument()
    PoolInstrumentor().uninstrument()

    assert vars(pool)["execute_task"] is original
    assert task_ids() == ["t"]


def test_arguments_that_a_second_call_ignores_are_named_once(instrument, database, caplog):
    pool, other = plain_pool(), plain_pool()
    instrument(pool, pool_type="first")
    instrument(pool, pool_type="first")
    PoolInstrumentor().instrument(skip_dep_check=True, raise_exception_on_conflict=True)  # as OpenTelemetry's loader
    assert caplog.messages == []

    for _ in range(3):
        PoolInstrumentor().instrument(targets=[other], pool_type="second", database=database)

    (message,) = caplog.messages
    assert "Ignored targets=" in message
    assert "pool_type='second'" in message
    assert "database" not in message
    assert "uninstrument()" in message


def test_database_that_configure_overrides_is_named(instrument, database, tmp_path, caplog):
    configure(database)
    instrument(plain_pool(), database=database)
    PoolInstrumentor().uninstrument()
    assert caplog.messages == []

    instrument(plain_pool(), database=tmp_path / "other.db", durability="batch")

    (message,) = caplog.messages
    assert f"Ignored database='{tmp_path / 'other.db'}', durability='batch': configure() was called before" in message


def test_instrumented_again_it_records_again(instrument, task_ids):
    pool = plain_pool()
    for n in range(3):
        instrument(pool)
        pool().execute_task({"task_id": f"t-{n}"})
        PoolInstrumentor().uninstrument()
        pool().execute_task({"task_id": "between"})

    assert task_ids() == ["t-0", "t-1", "t-2"]


def test_instrumented_again_it_records_into_the_new_database(instrument, task_ids, tmp_path):
    pool = plain_pool()
    instrument(pool)
    PoolInstrumentor().uninstrument()
    with LearningDatabase(tmp_path / "other.db") as other:
        instrument(pool, database=other)
        pool().execute_task({"task_id": "t"})

        assert len(other.query("SELECT 1 FROM executions")) == 1
    assert task_ids() == []


def test_module_imported_after_uninstrument_is_not_changed(instrument, package, task_ids):
    instrument(f"{package}.local:Pool")
    PoolInstrumentor().uninstrument()

    local = importlib.import_module(f"{package}.local")
    local.Pool().execute_task({"task_id": "t"})

    assert not isinstance(vars(local.Pool)["execute_task"], wrapt.FunctionWrapper)
    assert task_ids() == []


def test_foreign_wrapper_around_ours_stays_and_works(instrument, task_ids):
    pool, theirs = plain_pool(), []
    instrument(pool)

    def wrapper(wrapped, instance, args, kwargs):
        theirs.append(args)
        return wrapped(*args, **kwargs)

    outer = wrapt.FunctionWrapper(vars(pool)["execute_task"], wrapper)
    pool.execute_task = outer
    pool().execute_task({"task_id": "t"})
    PoolInstrumentor().uninstrument()

    assert pool().execute_task({"task_id": "after"}) == {"success": True}
    assert vars(pool)["execute_task"] is outer
    assert (len(theirs), task_ids()) == (2, ["t"])


def test_foreign_plain_wrapper_around_ours_stays_and_records_nothing(instrument, task_ids, caplog):
    pool = plain_pool()
    instrument(pool)
    ours = pool.execute_task

    @functools.wraps(ours)
    def outer(self, task):
        return ours(self, task)

    pool.execute_task = outer
    pool().execute_task({"task_id": "t"})
    PoolInstrumentor().uninstrument()

    assert pool().execute_task({"task_id": "after"}) == {"success": True}
    assert vars(pool)["execute_task"] is outer
    assert task_ids() == ["t"]
    assert caplog.records == []

    instrument(pool)
    pool().execute_task({"task_id": "again"})
    assert task_ids() == ["t", "again"]


# The database and the provider.


def test_no_global_provider_is_set(instrument):
    """OpenTelemetry would refuse the application's own."""
    pool = plain_pool()
    instrument(pool)
    pool().execute_task({})

    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_applications_own_provider_gets_the_spans(instrument, provider, exporter, task_ids):
    """Set before or after the first execution."""
    pool = plain_pool()
    instrument(pool)
    pool().execute_task({"task_id": "before"})

    trace.set_tracer_provider(provider)
    pool().execute_task({"task_id": "after"})

    assert [span.attributes["learning_instrument.task.id"] for span in exporter.get_finished_spans()] == ["after"]
    assert task_ids() == ["before", "after"]


def test_applications_own_configure_takes_precedence(instrument, tmp_path, task_ids):
    pool = plain_pool()
    instrument(pool)
    pool().execute_task({"task_id": "before"})

    mine = configure(tmp_path / "mine.db")
    pool().execute_task({"task_id": "after"})
    PoolInstrumentor().uninstrument()

    assert configure() is mine
    assert task_ids() == ["before"]
    assert [row["task_id"] for row in mine.query("SELECT task_id FROM executions")] == ["after"]


def test_earlier_configure_takes_precedence(instrument, configured, task_ids, tmp_path):
    pool = plain_pool()
    instrument(pool, database=tmp_path / "not.db")

    pool().execute_task({"task_id": "t"})

    assert task_ids() == ["t"]
    assert not (tmp_path / "not.db").exists()


# The main script.


def script(tmp_path, source, *, targets):
    """Run *source* as ``__main__``, instrumented before it starts; return the process."""
    (tmp_path / "app.py").write_text(textwrap.dedent(source))
    (tmp_path / "sitecustomize.py").write_text(
        f"from learning_instrument import PoolInstrumentor\nPoolInstrumentor().instrument(targets={targets!r})\n"
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, str(tmp_path / "app.py")],
        env={
            **inherited,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
            "LEARNING_INSTRUMENT_DATABASE": str(tmp_path / "learning.db"),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_class_of_the_script_is_recorded(tmp_path, task_ids):
    """With its subclasses; ``__build_class__`` is restored by then."""
    done = script(
        tmp_path,
        """
        import builtins
        from dataclasses import dataclass

        class Other:
            pass

        @dataclass(slots=True)
        class Pool:
            name: str = "pool"
            def execute_task(self, task):
                return self.name

        class Later(Pool):
            def execute_task(self, task):
                return "later"

        class Outer:
            class Inner:
                def run(self, job):
                    return job

        assert Pool().execute_task({"task_id": "t-0"}) == "pool"
        assert Later().execute_task({"task_id": "t-1"}) == "later"
        Outer.Inner().run({"task_id": "t-2"})
        class Last:
            pass
        assert type(builtins.__build_class__).__name__ == "builtin_function_or_method"
        """,
        targets=["__main__:Pool", "__main__:Outer.Inner.run"],
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert task_ids() == ["t-0", "t-1", "t-2"]


def test_class_of_the_script_is_recorded_in_spawned_processes(tmp_path, task_ids):
    """Where the script is ``__mp_main__``; helper processes log nothing."""
    done = script(
        tmp_path,
        """
        import multiprocessing

        class Pool:
            def execute_task(self, task):
                return task

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                assert pool.map(Pool().execute_task, [{"task_id": "t"}]) == [{"task_id": "t"}]
                pool.close()
                pool.join()
        """,
        targets=["__main__:Pool"],
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert task_ids() == ["t"]


def test_function_of_the_script_has_one_name_in_forked_and_spawned_processes(tmp_path):
    """Decorated or submitted: as a function name and as a task type."""
    done = script(
        tmp_path,
        """
        import multiprocessing
        from learning_instrument import record_execution

        @record_execution
        def decorated(task):
            return task

        def submitted(task):
            return task

        if __name__ == "__main__":
            for method in ("fork", "spawn"):
                with multiprocessing.get_context(method).Pool(1) as pool:
                    for function in (decorated, submitted):
                        assert pool.map(function, ["a task"]) == ["a task"]
                    pool.close()
                    pool.join()
        """,
        targets=["multiprocessing"],
    )

    assert (done.returncode, done.stderr) == (0, "")
    with LearningDatabase(tmp_path / "learning.db") as database:
        rows = database.query("SELECT function_name, task_type, count(*) AS n FROM executions GROUP BY 1, 2 ORDER BY 1")
    assert [(row["function_name"], row["n"]) for row in rows] == [("__main__.decorated", 2), ("__main__.submitted", 2)]


def test_function_of_the_script_cannot_be_a_target(tmp_path):
    """One warning asks to decorate it."""
    done = script(tmp_path, "def work(task):\n    return task\nwork({})\nprint('done')\n", targets=["__main__:work"])

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.count("\n") == 1
    assert "__main__:work" in done.stderr
    assert "@record_execution" in done.stderr


def test_class_statements_of_other_modules_do_not_change(tmp_path):
    """Pydantic reads the frame of the class statement, and must find the right one."""
    pytest.importorskip("pydantic")
    done = script(
        tmp_path,
        """
        from __future__ import annotations
        from pydantic import BaseModel

        def models():
            class Inner(BaseModel):
                x: int
            class Outer(BaseModel):
                inner: Inner
            return Outer

        assert models().__pydantic_complete__
        class Pool:
            def execute_task(self, task):
                return task
        """,
        targets=["__main__:Pool"],
    )

    assert (done.returncode, done.stderr) == (0, "")
