"""Decorated functions: what does not change, how the task is found, and which arguments are refused."""

import asyncio
import copy
import inspect
import pickle
import typing
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
import wrapt
from opentelemetry.metrics import MeterProvider
from small_pools import (
    AsyncPool,
    SyncPool,
    ThreadPool,
    async_generator_function,
    coroutine_function,
    generator_function,
    succeed,
)

from learning_instrument import current_execution, record_execution
from learning_instrument.errors import ConfigurationError


@record_execution
def module_function(task: dict[str, int], *, retries: int = 3) -> list[str]:
    """Say what it does."""
    return [f"{task}", f"{retries}"]


class Owner:
    """A class with every kind of method."""

    label = "owner"

    @record_execution
    def method(self, task: Any) -> Any:
        return (self.label, task)

    @record_execution
    @classmethod
    def recorded_class_method(cls, task: Any) -> Any:
        return (cls, task)

    @classmethod
    @record_execution
    def class_method(cls, task: Any) -> Any:
        return (cls, task)

    @record_execution
    @staticmethod
    def recorded_static_method(task: Any) -> Any:
        return task

    @staticmethod
    @record_execution
    def static_method(task: Any) -> Any:
        return task

    class Inner:
        @record_execution
        def method(self, task: Any) -> Any:
            return task


METHODS = ("method", "recorded_class_method", "class_method", "recorded_static_method", "static_method")


def plain_function(task):
    return task


KINDS = (coroutine_function, generator_function, async_generator_function, plain_function)


# What does not change.


def test_kind_of_function_stays(subtests):
    """``inspect`` says of a decorated function what it says of the function."""
    for function in KINDS:
        for question in [
            inspect.iscoroutinefunction,
            inspect.isgeneratorfunction,
            inspect.isasyncgenfunction,
            inspect.isfunction,
            inspect.isroutine,
            callable,
        ]:
            with subtests.test(function=function, question=question):
                assert question(record_execution(function)) == question(function)


def test_signature_names_and_type_hints_stay():
    """Frameworks that inspect a function see the original."""
    bare = module_function.__wrapped__

    assert inspect.signature(module_function) == inspect.signature(bare)
    assert typing.get_type_hints(module_function) == typing.get_type_hints(bare)
    assert (
        module_function.__name__,
        module_function.__qualname__,
        module_function.__module__,
        module_function.__doc__,
    ) == (
        "module_function",
        "module_function",
        __name__,
        "Say what it does.",
    )
    assert inspect.getsource(module_function) == inspect.getsource(bare)


def test_signature_of_a_bound_method_stays():
    """A bound method has no ``self`` in its signature."""
    assert str(inspect.signature(Owner().method)) == "(task: Any) -> Any"
    assert inspect.ismethod(Owner().method)


@pytest.mark.parametrize("name", METHODS)
def test_every_kind_of_method_is_recorded(configured, rows, name):
    """Instance, class and static methods, in either order of decorators, on instance and class."""
    owner = Owner()
    expected = {"method": ("owner", "t"), "recorded_static_method": "t", "static_method": "t"}.get(name, (Owner, "t"))

    assert getattr(owner, name)("t") == expected
    if name != "method":
        assert getattr(Owner, name)("t") == expected

    assert len(rows()) == (1 if name == "method" else 2)


@pytest.mark.parametrize("name", METHODS)
def test_class_name_is_the_pool_type_of_its_methods(configured, rows, name):
    """The pool of a method is its instance or class; a static method has none."""
    getattr(Owner(), name)({})

    assert rows()[0]["pool_type"] == ("unknown" if "static" in name else "Owner")


def test_decorating_twice_records_once(configured, rows):
    """A decorated function is returned unchanged."""
    twice = record_execution(pool_type="other")(module_function)

    twice({})

    assert twice is module_function
    assert len(rows()) == 1


def test_other_decorators_stack(configured, rows):
    """With a wrapt decorator above or below ours."""

    @wrapt.decorator
    def add_one(wrapped, instance, args, kwargs):
        return wrapped(*args, **kwargs) + 1

    @add_one
    @record_execution
    @add_one
    def execute_task(task):
        return task

    assert execute_task(1) == 3
    assert len(rows()) == 1


def test_callable_object_is_recorded(configured, rows):
    """An object with ``__call__`` can be decorated as well as a function."""

    class Run:
        def __call__(self, task):
            return task["n"]

    assert record_execution(Run())({"task_id": "t-1", "n": 5}) == 5
    assert rows()[0]["task_id"] == "t-1"


def test_async_generator_and_generator_give_their_items(configured, rows):
    """Each is one execution once it is exhausted."""

    async def consume():
        return [item async for item in record_execution(async_generator_function)("a")]

    assert list(record_execution(generator_function)("b")) == ["b"]
    assert asyncio.run(consume()) == ["a"]
    assert [row["outcome"] for row in rows()] == ["succeeded", "succeeded"]


def test_future_is_returned_as_it_is_and_timed_until_done(configured, rows):
    """The caller gets the executor's own future; the row has its outcome."""
    future: Future[Any] = Future()

    @record_execution
    def execute_task(task):
        return future

    assert execute_task({}) is future
    assert rows() == []
    future.set_result({"success": False, "error": "no"})
    assert [(row["outcome"], row["error_message"]) for row in rows()] == [("failed", "no")]


def test_thread_pool_records_each_task(configured, rows):
    """A pool that returns futures has a row for each."""
    pool = ThreadPool()
    with pool.executor:
        results = [pool.execute_task({"task_id": f"{n}"}) for n in range(20)]
        assert [future.result() for future in results] == [{"success": True}] * 20

    assert sorted(int(row["task_id"]) for row in rows()) == list(range(20))


# Pickling and copying.


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_function_pickles_by_its_name(protocol):
    """Unpickled it is the same object."""
    assert pickle.loads(pickle.dumps(module_function, protocol)) is module_function


def test_methods_pickle(subtests):
    """Bound methods pickle with their instance, as undecorated ones do."""
    for name in METHODS:
        for of in [Owner, Owner()]:
            with subtests.test(name=name, of=of):
                restored = pickle.loads(pickle.dumps(getattr(of, name)))

                args = (Owner(), "t") if name == "method" and of is Owner else ("t",)
                assert restored(*args) == getattr(of, name)(*args)


def test_method_of_a_nested_class_pickles():
    """By its qualified name."""
    assert pickle.loads(pickle.dumps(Owner.Inner.method))(None, 4) == 4


def test_pools_pickle_and_copy():
    """As undecorated ones do."""
    pool = AsyncPool(succeed)

    for copied in (pickle.loads(pickle.dumps(pool)), copy.copy(pool), copy.deepcopy(pool)):
        assert copied.run is succeed


def test_local_function_does_not_pickle():
    """As an undecorated one does not."""

    @record_execution
    def local(task):
        """Do nothing."""

    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(local)


def test_function_pickles_only_under_its_own_name():
    """The original may have it: then that pickles, and is recorded anew. Another object may not."""
    restored = pickle.loads(pickle.dumps(record_execution(plain_function)))
    assert type(restored) is type(module_function)
    assert restored.__wrapped__ is plain_function

    def impostor(task):
        """Do nothing."""

    impostor.__qualname__ = "plain_function"
    with pytest.raises(pickle.PicklingError, match="plain_function"):
        pickle.dumps(record_execution(impostor))


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_function_copies_to_itself(copier):
    """``copy`` treats functions as atoms."""
    assert copier(module_function) is module_function


def test_deep_copy_of_a_bound_method_copies_its_owner():
    """As with an undecorated one."""
    owner = Owner()
    owner.label = "copied"

    method = copy.deepcopy(owner.method)

    owner.label = "changed since"
    assert method("t") == ("copied", "t")


# Where the task is.


def second(extra, task):
    return None


def named_otherwise(job, extra=None):
    return None


def keyword_only(*, task):
    return None


def with_default(task={"task_id": "t-1"}):  # noqa: B006 - the default is the point
    return None


def positional_only(task, /):
    return None


def catch_all(*args, **kwargs):
    return None


TASK = {"task_id": "t-1"}


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (second, (1, TASK), {}),
        (second, (1,), {"task": TASK}),
        (second, (), {"task": TASK, "extra": 1}),
        (named_otherwise, (TASK,), {}),
        (named_otherwise, (), {"job": TASK}),
        (keyword_only, (), {"task": TASK}),
        (with_default, (), {}),
        (positional_only, (TASK,), {}),
        (catch_all, (TASK, 2), {}),
        (catch_all, (), {"task": TASK}),
    ],
)
def test_task_is_found(configured, rows, function, args, kwargs):
    """By default it is the parameter ``task``, else the first."""
    record_execution(function)(*args, **kwargs)

    assert rows()[0]["task_id"] == "t-1"


@pytest.mark.parametrize(
    "call",
    [
        lambda pool: pool.execute(1, TASK),
        lambda pool: pool.execute(extra=1, job=TASK),
        lambda pool: type(pool).execute(pool, 1, TASK),
        lambda pool: type(pool).execute(pool, 1, job=TASK),
    ],
)
def test_task_is_found_by_the_given_name(configured, rows, call):
    """``task=`` names the argument, wherever it stands, bound or not."""

    class Pool:
        @record_execution(task="job")
        def execute(self, extra, job):
            return None

    call(Pool())

    assert rows()[0]["task_id"] == "t-1"


def test_first_argument_after_self_is_the_task(configured, rows):
    """The instance of a method is never its task."""

    class Pool:
        task_id = "the pool's"

        @record_execution
        def run(self, job):
            return None

    Pool().run({"task_id": "t-1"})

    assert rows()[0]["task_id"] == "t-1"


def test_first_argument_after_cls_is_the_task(configured, rows):
    """However many decorators pass the class on."""

    class Pool:
        @classmethod
        @record_execution
        def run(cls, job):
            return None

        @record_execution
        @classmethod
        def run_too(cls, job):
            return None

    Pool.run({"task_id": "t-1"})
    Pool.run(job={"task_id": "t-1"})
    Pool.run_too({"task_id": "t-1"})

    assert [row["task_id"] for row in rows()] == ["t-1"] * 3


def test_each_argument_is_described_under_its_own_name(configured, rows):
    """The value of ``password`` is redacted, and no other: by self, by any other name of the pool, and without."""

    class Pool:
        @record_execution
        def run(self, number, password):
            return None

    @record_execution
    def run(number, password):
        return None

    @record_execution
    def assigned(this, number, password):
        return None

    Pool().run(7, "hunter2")
    Pool.run(Pool(), 7, "hunter2")
    run(7, "hunter2")
    Pool.assigned = assigned
    Pool().assigned(7, "hunter2")
    Pool.assigned(Pool(), 7, "hunter2")

    assert [row["task_description"] for row in rows()] == ['7, "[redacted]"'] * 5


def test_missing_argument_raises_the_same_error(configured):
    """A wrong call fails as it does undecorated."""
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'task'"):
        SyncPool().execute_task()


# Keywords.


def test_pool_type_of_the_decorator_takes_precedence(configured, rows):
    """Over the pool's own."""

    class Pool:
        pool_type = "the pool's"

        @record_execution(pool_type="given")
        def execute_task(self, task):
            return None

    Pool().execute_task({})

    assert rows()[0]["pool_type"] == "given"
    assert "pool_type" not in rows()[0]["defaulted"]


def test_hooks_see_span_pool_task_and_result(configured):
    """Before and after the task, whether it returned or raised."""
    seen: list[tuple[Any, ...]] = []

    class Pool:
        @record_execution(
            request_hook=lambda span, *rest: seen.append(rest), response_hook=lambda span, *rest: seen.append(rest)
        )
        def execute_task(self, task):
            if task == "raise":
                raise error
            return "result"

    pool, error = Pool(), ValueError("no")
    pool.execute_task("return")
    with pytest.raises(ValueError, match="no"):
        pool.execute_task("raise")

    assert seen == [
        (pool, "return"),
        (pool, "return", "result", None),
        (pool, "raise"),
        (pool, "raise", None, error),
    ]


def test_hooks_may_write_to_the_span(database, provider, exporter):
    """The span records until both have run."""

    @record_execution(
        request_hook=lambda span, *_: span.set_attribute("before", 1),
        response_hook=lambda span, *_: span.set_attribute("after", 2),
        learning_db=database,
        tracer_provider=provider,
    )
    def execute_task(task):
        return None

    execute_task({})

    (span,) = exporter.get_finished_spans()
    assert (span.attributes["before"], span.attributes["after"]) == (1, 2)


def test_fields_fill_columns_from_other_names(configured, rows):
    """By a name, a dotted path, or a function."""

    class Pool:
        site = "berlin"

        @record_execution(
            fields={
                "task_type": "kind",
                "model": "usage.model",
                "input_tokens": "usage.prompt_tokens",
                "actual_cost": lambda pool, task, result: result["cents"] / 100,
                "pool_id": "site",
            }
        )
        def execute_task(self, task):
            return {"usage": {"model": "m-1", "prompt_tokens": 12}, "cents": 150}

    Pool().execute_task({"kind": "review"})

    (row,) = rows()
    assert (row["task_type"], row["model"], row["input_tokens"]) == ("review", "m-1", 12)
    assert (row["actual_cost"], row["pool_id"]) == (1.5, "berlin")
    assert "task_type" not in row["defaulted"]
    assert "actual_cost" not in row["defaulted"]


def test_values_set_by_the_task_take_precedence(configured, rows):
    """Over ``fields``, which take precedence over task and result."""

    @record_execution(fields={"model_tier": lambda *_: "from fields", "repo": lambda *_: "from fields"})
    def execute_task(task):
        current_execution().set(model_tier="said")
        return {"model_tier": "result's"}

    execute_task({"model_tier": "task's", "repo": "task's"})

    assert (rows()[0]["model_tier"], rows()[0]["repo"]) == ("said", "from fields")


def test_success_when_decides(configured, rows):
    """True and False are the outcome; None leaves it to the result."""
    verdicts: dict[str, bool | None] = {"yes": True, "no": False, "none": None}
    execute_task = record_execution(success_when=lambda result: verdicts[result["word"]])(lambda task: task)

    for word in verdicts:
        execute_task({"word": word, "success": False})

    assert [row["outcome"] for row in rows()] == ["succeeded", "failed", "failed"]
    assert (rows()[1]["error_type"], rows()[1]["error_message"]) == ("quality_gate", "success_when said no")


@pytest.mark.parametrize("by", ["keyword", "environment"])
def test_content_can_be_kept_out(configured, rows, monkeypatch, by):
    """Description and summary are not stored; the token estimate is."""
    if by == "environment":
        monkeypatch.setenv("LEARNING_INSTRUMENT_CAPTURE_CONTENT", "false")
    decorate: Callable[..., Any] = record_execution(capture_content=by != "keyword")

    decorate(lambda task: {"solution_summary": "secret"})({"prompt": "secret"})

    (row,) = rows()
    assert (row["task_description"], row["solution_summary"], row["estimated_tokens"]) == ("", None, 3)


def test_invalid_argument_is_refused_when_decorating(subtests):
    """The message names the argument and its value."""
    for keywords, named in [
        ({"task": "job"}, "job"),
        ({"pool_type": 5}, "pool_type"),
        ({"success_when": "yes"}, "yes"),
        ({"request_hook": 1}, "1"),
        ({"response_hook": 1}, "1"),
        ({"fields": {"no_column": "x"}}, "no_column"),
        ({"fields": {"repo": 5}}, "repo"),
        ({"fields": {"repo": ""}}, "repo"),
        ({"learning_db": "learning.db"}, "learning_db"),
        ({"tracer_provider": "otlp"}, "Invalid tracer_provider 'otlp'"),
        ({"meter_provider": MeterProvider}, r"get_meter\(\)"),
    ]:
        with subtests.test(keywords=keywords, named=named), pytest.raises(ConfigurationError, match=named):
            record_execution(**keywords)(plain_function)


def test_object_that_is_not_callable_is_refused():
    """When decorating, not when calling."""
    with pytest.raises(ConfigurationError, match="Invalid function 5: expected a function"):
        record_execution(5)


def test_pool_class_is_refused():
    """Decorated, the class would be a function, and each pool an execution."""
    with pytest.raises(ConfigurationError, match=r"Invalid function .*SyncPool.*Decorate execute_task"):
        record_execution(SyncPool)


def test_pool_type_in_place_of_the_function_is_refused():
    """The message names the keyword."""
    with pytest.raises(ConfigurationError, match="pool_type='threads'"):
        record_execution("threads")


def test_unknown_column_set_by_a_task_is_a_warning(configured, rows, caplog):
    """The task goes on, and the other columns are set."""

    @record_execution
    def execute_task(task):
        current_execution().set(no_such_column=1, quality_score=80)

    execute_task({})

    assert rows()[0]["quality_score"] == 80
    assert "no_such_column" in caplog.text


def test_set_outside_an_execution_does_nothing():
    """It raises nothing."""
    current_execution().set(quality_score=80)

    assert current_execution().execution_id is None


def test_bound_methods_copy_to_themselves():
    """As undecorated ones do."""

    class Pool:
        @record_execution
        def execute_task(self, task):
            return task

    pool = Pool()

    assert copy.copy(pool.execute_task)(5) == 5
    assert copy.copy(Pool.execute_task)(pool, 6) == 6


def test_named_task_among_keywords_is_found_there(database, rows):
    """And not in the first argument."""

    @record_execution(task="job", learning_db=database)
    def run(hint, **keywords):
        return hint

    run({"task_type": "hint"}, job={"task_type": "job"})

    assert [row["task_type"] for row in rows()] == ["job"]
