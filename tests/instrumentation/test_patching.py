"""Wrapped objects are restored, also where others wrapped them since."""

import functools
import sys
import types

import pytest
import wrapt

from learning_instrument.instrumentation.patching import Patches, all_subclasses


def counting(calls):
    """Return a function that wraps, and counts the calls."""

    def wrapper(wrapped, instance, args, kwargs):
        calls.append(wrapped.__name__)
        return wrapped(*args, **kwargs)

    return lambda original: wrapt.FunctionWrapper(original, wrapper)


@pytest.fixture
def calls():
    return []


@pytest.fixture
def patches():
    patches = Patches()
    yield patches
    patches.undo()


def pool_class():
    class Pool:
        def method(self):
            return "method"

        @classmethod
        def of_class(cls):
            return cls.__name__

        @staticmethod
        def static():
            return "static"

        alias = method

    return Pool


NAMES = ["method", "of_class", "static", "alias"]


@pytest.mark.parametrize("name", NAMES)
def test_original_is_restored(patches, calls, name):
    """The same object, in the class's own attributes."""
    pool = pool_class()
    original = vars(pool)[name]

    patches.wrap(pool, name, counting(calls))
    before = getattr(pool(), name)()
    patches.undo()

    assert vars(pool)[name] is original
    assert getattr(pool(), name)() == before
    assert len(calls) == 1


def test_alias_of_an_inherited_method_is_restored(patches, calls):
    """The class itself defines it, though its base has the same object."""
    base = pool_class()

    class Pool(base):
        method = base.method

    patches.wrap(Pool, "method", counting(calls))
    patches.undo()

    assert vars(Pool)["method"] is vars(base)["method"]


def test_undo_is_idempotent(patches, calls):
    pool = pool_class()
    patches.wrap(pool, "method", counting(calls))
    patches.undo()
    pool.method = replaced = lambda self: None

    patches.undo()

    assert vars(pool)["method"] is replaced


def test_later_replacement_of_others_stays(patches, calls):
    pool = pool_class()
    patches.wrap(pool, "method", counting(calls))
    pool.method = replaced = lambda self: None

    patches.undo()

    assert vars(pool)["method"] is replaced


@pytest.mark.parametrize("name", NAMES)
def test_foreign_wrapper_around_ours_stays_and_works(patches, calls, name):
    """Ours is removed from under it."""
    pool, theirs = pool_class(), []
    before = getattr(pool(), name)()
    original = vars(pool)[name]
    patches.wrap(pool, name, counting(calls))
    outer = counting(theirs)(vars(pool)[name])
    setattr(pool, name, outer)

    patches.undo()

    assert vars(pool)[name] is outer
    assert outer.__wrapped__ is original
    assert getattr(pool(), name)() == before
    assert (len(calls), len(theirs)) == (0, 1)


def test_foreign_plain_wrapper_around_ours_stays_without_a_warning(patches, calls, caplog):
    """Ours cannot be removed from under it, and does nothing."""
    pool = pool_class()
    patches.wrap(pool, "method", counting(calls))
    ours = pool.method

    @functools.wraps(ours)
    def outer(self):
        return f"outer {ours(self)}"

    pool.method = outer
    patches.undo()

    assert vars(pool)["method"] is outer
    assert pool().method() == "outer method"
    assert caplog.records == []


def test_failing_undo_does_not_stop_the_others(patches, calls, caplog):
    class Refusing(type):
        def __setattr__(cls, name, value):
            if getattr(cls, "is_closed", False):
                raise TypeError("closed")
            super().__setattr__(name, value)

    class Closed(metaclass=Refusing):
        def method(self):
            pass

    pool = pool_class()
    original = vars(pool)["method"]
    patches.wrap(pool, "method", counting(calls))
    patches.wrap(Closed, "method", counting(calls))
    Closed.is_closed = True

    patches.undo()

    assert vars(pool)["method"] is original
    assert [record.levelname for record in caplog.records] == ["WARNING"]


# Subclasses.


def test_present_and_future_subclasses_are_found_once(patches):
    class Pool:
        pass

    class Left(Pool):
        pass

    class Right(Pool):
        pass

    class Both(Left, Right):
        pass

    found = []
    patches.watch_subclasses(Pool, found.append)
    today = list(found)

    class Later(Both):
        pass

    assert sorted(cls.__name__ for cls in today) == ["Both", "Left", "Right"]
    assert found == [*today, Later]


def test_undo_stops_watching_subclasses_and_leaves_nothing(patches):
    class Pool:
        pass

    found = []
    patches.watch_subclasses(Pool, found.append)
    patches.undo()

    class Later(Pool):
        pass

    assert found == []
    assert "__init_subclass__" not in vars(Pool)


def test_own_init_subclass_gets_its_keywords_and_is_restored(patches):
    class Pool:
        def __init_subclass__(cls, *, kind, **kwargs):
            super().__init_subclass__(**kwargs)
            cls.kind = kind

    original, found = vars(Pool)["__init_subclass__"], []
    patches.watch_subclasses(Pool, found.append)

    class Later(Pool, kind="late"):
        pass

    with pytest.raises(TypeError, match="keyword"):

        class Wrong(Pool, kind="wrong", nonsense=1):
            pass

    patches.undo()
    assert (Later.kind, found) == ("late", [Later])
    assert vars(Pool)["__init_subclass__"] is original


def test_init_subclass_of_a_base_still_gets_its_keywords(patches):
    class Base:
        def __init_subclass__(cls, *, kind="none"):
            cls.kind = kind

    class Pool(Base):
        pass

    patches.watch_subclasses(Pool, lambda cls: None)

    class Later(Pool, kind="late"):
        pass

    assert (Pool.kind, Later.kind) == ("none", "late")


def test_finder_that_fails_does_not_fail_the_class_statement(patches, caplog):
    class Pool:
        pass

    patches.watch_subclasses(Pool, lambda cls: 1 / 0)

    class Later(Pool):
        pass

    assert issubclass(Later, Pool)
    assert "the application goes on" in caplog.text


def test_watching_twice_finds_twice_and_is_undone_twice(patches):
    class Pool:
        pass

    found = []
    patches.watch_subclasses(Pool, found.append)
    patches.watch_subclasses(Pool, found.append)

    class Later(Pool):
        pass

    patches.undo()
    assert found == [Later, Later]
    assert "__init_subclass__" not in vars(Pool)


def test_copy_of_the_class_can_be_subclassed(patches):
    """``dataclass(slots=True)`` makes a copy, including our ``__init_subclass__``."""

    class Pool:
        pass

    found = []
    patches.watch_subclasses(Pool, found.append)
    copied = {name: value for name, value in vars(Pool).items() if name not in ("__dict__", "__weakref__")}
    copy = type("Pool", (), copied)

    class Later(copy):
        pass

    assert found == [Later]


def test_metaclass_can_be_watched():
    """``type.__subclasses__`` takes an argument there."""

    class Meta(type):
        pass

    class Sub(Meta):
        pass

    assert all_subclasses(Meta) == [Sub]


# Imports.


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return the name of a module that is not imported yet."""
    name = f"later_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


def test_module_is_found_when_it_is_imported(patches, module):
    found = []
    patches.when_imported(module, found.append)
    assert (found, module in sys.modules) == ([], False)

    imported = __import__(module)

    assert found == [imported]
    assert isinstance(imported, types.ModuleType)


def test_imported_module_is_found_at_once(patches):
    found = []
    patches.when_imported("json", found.append)
    assert [module.__name__ for module in found] == ["json"]


def test_finder_that_fails_does_not_fail_the_import(patches, module, caplog):
    patches.when_imported(module, lambda module: 1 / 0)

    assert __import__(module).value == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_undo_stops_watching_imports(patches, module):
    found = []
    patches.when_imported(module, found.append)
    patches.undo()

    __import__(module)

    assert found == []
