"""A recorded function or method is what it was: for references to it, comparisons, and the names of its arguments."""

import ast
import functools
import gc
import pickle
import types
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import learning_instrument
from learning_instrument import PoolInstrumentor, current_execution, record_execution


class Pool:
    """A pool whose methods are recorded by the decorator."""

    @record_execution
    def execute_task(self, task):
        return (type(self), task)

    @record_execution
    async def later(self, task):
        return task

    @record_execution
    @classmethod
    def of_class(cls, task):
        return (cls, task)

    @classmethod
    @record_execution
    def of_class_too(cls, task):
        return (cls, task)

    @record_execution
    @staticmethod
    def static(task):
        return task

    @staticmethod
    @record_execution
    def static_too(task):
        return task

    @record_execution
    def oddly_named(this, task):
        return (type(this), task)


class Instrumented:
    """A pool whose method is recorded by the instrumentor."""

    def execute_task(self, task):
        return (type(self), task)


@pytest.fixture
def instrumented(database):
    instrumentor = PoolInstrumentor()
    instrumentor.instrument(targets=[Instrumented], learning_db=database)
    yield Instrumented
    instrumentor.uninstrument()


METHODS = ("execute_task", "later", "of_class", "of_class_too", "oddly_named")


@pytest.mark.parametrize("name", METHODS)
def test_bound_methods_are_pythons_own(name):
    """Equal, with an equal hash, and different for different pools."""
    pool, other = Pool(), Pool()
    method = getattr(pool, name)

    assert type(method) is types.MethodType
    assert method == getattr(pool, name)
    assert hash(method) == hash(getattr(pool, name))
    assert (method == getattr(other, name)) == name.startswith("of_class")
    assert method.__self__ is (Pool if name.startswith("of_class") else pool)


@pytest.mark.parametrize("name", ["execute_task", "later", "static", "static_too", "oddly_named"])
def test_a_method_is_the_same_at_each_access_of_its_class(name):
    """As a plain function is."""
    assert getattr(Pool, name) is getattr(Pool, name)


def test_a_bound_method_has_the_function_of_its_class():
    """Dispatchers know a receiver by the ids of these two."""
    assert Pool().execute_task.__func__ is Pool.execute_task is vars(Pool)["execute_task"]


@pytest.mark.parametrize("name", METHODS)
def test_a_weak_method_records(configured, rows, name):
    """It builds the method anew, of its class, function and object."""
    pool = Pool()
    reference = weakref.WeakMethod(getattr(pool, name))

    answer = reference()("task")

    if name == "later":
        with pytest.raises(StopIteration):
            answer.send(None)
    assert [row["pool_type"] for row in rows()] == ["Pool"]
    del pool, answer
    assert (reference() is None) != name.startswith("of_class")


def test_a_weak_method_of_an_instrumented_class_records(instrumented, rows):
    """And no longer once that is undone."""
    pool = instrumented()
    reference = weakref.WeakMethod(pool.execute_task)
    assert instrumented.execute_task is instrumented.execute_task

    assert reference()("task") == (Instrumented, "task")
    PoolInstrumentor().uninstrument()
    assert reference()("task") == (Instrumented, "task")

    assert len(rows()) == 1


def test_an_unbound_call_has_its_pool(configured, rows):
    """Its first argument is the pool under any name, and not the task."""
    pool = Pool()
    pool.oddly_named({"task_id": "bound"})

    Pool.execute_task(pool, {"task_id": "unbound"})
    Pool.oddly_named(pool, {"task_id": "unbound"})

    assert [row["pool_type"] for row in rows()] == ["Pool"] * 3
    assert [row["task_id"] for row in rows()] == ["bound", "unbound", "unbound"]


def test_a_method_of_a_base_class_is_not_recorded_twice(configured, rows):
    """Called by ``super()``, or by the name of its class."""

    class Derived(Pool):
        @record_execution
        def execute_task(self, task):
            return [super().execute_task(task), Pool.execute_task(self, task)]

    assert Derived().execute_task("task") == [(Derived, "task")] * 2
    assert len(rows()) == 1


def test_a_callable_that_does_not_bind_stays_unbound(configured, rows):
    """A built-in function, and an object that is called."""

    class Owner:
        largest = record_execution(max)
        bound = record_execution(Pool().execute_task)

    assert Owner().largest([1, 2]) == Owner.largest([1, 2]) == 2
    assert Owner().bound("task") == (Pool, "task")
    assert len(rows()) == 3


def test_representation_is_that_of_the_function():
    """Logs and tracebacks of asyncio show it."""

    def execute_task(self, task):
        return task

    class Owner:
        recorded = record_execution(execute_task)
        static = record_execution(staticmethod(execute_task))

    owner, bare = Owner(), types.MethodType(execute_task, Owner)

    assert repr(Owner.recorded) == str(Owner.recorded) == f"{Owner.recorded!r}" == repr(execute_task)
    assert repr(Owner.static) == repr(execute_task)
    assert repr(owner.recorded).split(" of ")[0] == repr(bare).split(" of ")[0]


def test_weak_references_to_cached_functions_stay():
    """As long as the functions do, and no longer."""

    @record_execution
    @functools.lru_cache
    def function(task):
        return task

    class Owner:
        @record_execution
        @functools.lru_cache  # noqa: B019 (it goes with the class)
        def method(self, task):
            return task

        @record_execution
        @staticmethod
        @functools.lru_cache
        def static(task):
            return task

        @staticmethod
        @record_execution
        @functools.lru_cache
        def static_too(task):
            return task

    assert function("task") == Owner().method("task") == Owner.static("task") == Owner().static_too("task") == "task"
    assert (
        function.cache_info().currsize == Owner.method.cache_info().currsize == Owner.static.cache_info().currsize == 1
    )
    references = [*map(weakref.ref, (function, Owner.method)), weakref.ref(Owner.static), weakref.ref(Owner.static_too)]
    gc.collect()
    assert None not in [reference() for reference in references]

    del function, Owner
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


@pytest.mark.parametrize("name", ["execute_task", "of_class", "static"])
def test_methods_pickle_under_every_protocol(name):
    """As those of Python's do."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        restored = pickle.loads(pickle.dumps(getattr(Pool(), name), protocol))
        assert restored("task") == getattr(Pool(), name)("task")


@pytest.mark.slow
def test_signals_of_blinker_reach_recorded_methods(configured, rows):
    """They are held weakly."""
    blinker = pytest.importorskip("blinker")
    signal = blinker.Signal()
    pool = Pool()

    signal.connect(pool.execute_task)
    signal.connect(pool.oddly_named)
    assert len(signal.send("task")) == 2
    signal.disconnect(pool.oddly_named)
    assert len(signal.send("task")) == 1
    del pool
    assert signal.send("task") == []

    assert len(rows()) == 3


def test_signals_of_celery_reach_recorded_methods(configured, rows):
    """They are held weakly, as Django's are."""
    dispatch = pytest.importorskip("celery.utils.dispatch")
    signal = dispatch.Signal(name="signal")

    class Receiver:
        @record_execution
        def received(self, **keywords):
            return keywords["sender"]

    receiver = Receiver()
    signal.connect(receiver.received)
    assert [answer for _, answer in signal.send(sender="task")] == ["task"]
    assert signal.disconnect(receiver.received)
    assert signal.send(sender="task") == []

    assert len(rows()) == 1


# Names of arguments.


def argument_names():
    """Return all names of arguments in our package."""
    trees = (ast.parse(path.read_text()) for path in Path(learning_instrument.__file__).parent.rglob("*.py"))
    return sorted({node.arg for tree in trees for node in ast.walk(tree) if isinstance(node, ast.arg)})


OURS = [*argument_names(), "fn", "func", "wrapper", "enabled", "adapter"]
KEYWORDS = st.dictionaries(st.sampled_from(OURS), st.integers(), min_size=1, max_size=8)
ANY = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def plain(*args, **kwargs):
    return args, kwargs


def generated(*args, **kwargs):
    yield args, kwargs


async def awaited(*args, **kwargs):
    return args, kwargs


class Anything:
    @record_execution
    def method(*args, **kwargs):
        return args[1:], kwargs

    @record_execution
    @classmethod
    def of_class(*args, **kwargs):
        return args[1:], kwargs

    @staticmethod
    @record_execution
    def static(*args, **kwargs):
        return args, kwargs


def run(coroutine):
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    return stopped.value.value


CALLS = {
    "function": record_execution(plain),
    "generator": lambda *args, **kwargs: next(record_execution(generated)(*args, **kwargs)),
    "coroutine": lambda *args, **kwargs: run(record_execution(awaited)(*args, **kwargs)),
    "method": Anything().method,
    "class method": Anything.of_class,
    "static method": Anything.static,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_keywords_may_have_any_name_that_is_ours(configured, rows, call):
    """Nothing of ours takes one for its own."""
    assert call(1, **dict.fromkeys(OURS, 2)) == ((1,), dict.fromkeys(OURS, 2))
    assert len(rows()) == 1

    @ANY
    @given(KEYWORDS)
    def check(keywords):
        assert call(**keywords) == ((), keywords)

    check()


def test_keywords_of_submitted_calls_may_have_any_name_that_is_ours(database, rows):
    """In a thread and in another process."""
    keywords = dict.fromkeys(OURS, 2)
    instrumentor = PoolInstrumentor()
    instrumentor.instrument(targets="concurrent.futures", learning_db=database)
    try:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(plain, 1, **keywords).result() == ((1,), keywords)
            assert pool.submit(plain, 1, self=2).result() == ((1,), {"self": 2})
        with ProcessPoolExecutor(1) as pool:
            assert pool.submit(plain, 1, **keywords).result() == ((1,), keywords)
    finally:
        instrumentor.uninstrument()

    assert [row["outcome"] for row in rows()] == ["succeeded"] * 3


def test_keywords_of_a_class_may_have_any_name_that_is_ours(database):
    """Those of ``class Derived(Base, cls=1)``, under the watch for subclasses."""
    seen = []

    class Base:
        def __init_subclass__(cls, /, **keywords):
            seen.append(keywords)

        def execute_task(self, task):
            """Do nothing."""

    instrumentor = PoolInstrumentor()
    instrumentor.instrument(targets=[Base], learning_db=database)
    names = [name for name in OURS if name != "metaclass"]
    try:
        types.new_class("Derived", (Base,), dict.fromkeys(names, 2))
    finally:
        instrumentor.uninstrument()

    assert seen == [dict.fromkeys(names, 2)]


def test_unknown_columns_may_have_any_name(configured, rows):
    """They are ignored with a warning."""

    @record_execution
    def execute_task(task):
        current_execution().set(self=1, values=2)

    execute_task("task")
    current_execution().set(self=1)

    assert len(rows()) == 1
