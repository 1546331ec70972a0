"""Captures span attributes from task, result and pool.

A :class:`Capture` belongs to one execution. It reads each name of task and result at most once, guards every read that
can run foreign code, and keeps invalid values apart: they are stored as invalid, and their columns marked as defaulted.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import BuiltinMethodType, FunctionType, MappingProxyType, MethodType
from typing import Any, Final

from .. import semconv
from ..columns import COLUMN_OF
from ..ids import new_uuid
from ..outcome import ASSUMED, ErrorType, Outcome, Verdict, reason_of
from ..safety.guards import guarded, is_interruption
from ..safety.named_secrets import MARKER
from ..safety.readers import Memo, Reader, attribute_reader_of, is_mapping, read_path, reader_of
from ..safety.sanitize import json_of, label_of, repeated_label_of, text_of, type_name
from . import contents
from .arguments import is_a_secret, plain_text, text_of_call, texts_among
from .fields import CLEAN_GIVEN, FIELD_OF, IDENTIFIER_LIMIT, INVALID, MARKED, Extractor
from .judging import judge, judge_raised
from .taking import TAKE_RESULT, TAKE_TASK
from .unmatched_fields import UnmatchedFields
from .unnamed_tasks import UnnamedTasks

METADATA_LIMIT: Final = 8192
ITEMS_LIMIT: Final = 200


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """The capture options decided when the function was wrapped."""

    pool_type: str | None = None
    capture_content: bool = True
    #: Without contents, the keys of metadata whose values are kept.
    keep_metadata: frozenset[str] = frozenset()
    success_when: Callable[[Any], bool | None] | None = None
    fields: Mapping[str, str | Extractor] = field(default_factory=dict)
    #: The type of a task that has none.
    task_type: str | None = None
    #: The names of the function's positional parameters, without that of the pool.
    parameters: Sequence[str] = ()
    #: Whether the plain values among the arguments describe a call also where its task has fields.
    describes_calls: bool = False
    unmatched_fields: UnmatchedFields = field(default_factory=UnmatchedFields, compare=False, repr=False)
    unnamed_tasks: UnnamedTasks = field(default_factory=UnnamedTasks, compare=False, repr=False)


class Capture:
    """The span attributes of one execution, collected from its start to its end."""

    __slots__ = (
        "_given",
        "_guessed",
        "_instance",
        "_invalid",
        "_metadata",
        "_options",
        "_read_pool",
        "_read_task",
        "_readers",
        "_returned",
        "_task",
        "_texts",
        "_unmatched",
        "also_defaulted",
        "attributes",
    )

    def __init__(
        self,
        options: CaptureOptions,
        instance: Any,
        task: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.attributes: dict[str, Any] = {}
        self.also_defaulted: tuple[str, ...] = ()
        self._options = options
        self._instance = instance
        self._task = task
        self._invalid = self._given = self._unmatched = _NOTHING  # replaced, never changed
        self._metadata: Any = None
        #: A bare bool, which may be a verdict or an answer: ``doctor`` counts them.
        self._returned: bool | None = None
        #: The keys of attributes that a value which an adapter knows replaces.
        self._guessed: tuple[str, ...] = ()
        self._read_task = read = reader_of(task)
        # Only a path in ``fields`` can read a name of the pool again: only then its reads are remembered.
        self._read_pool = (
            read if task is instance else reader_of(instance) if options.fields else attribute_reader_of(instance)
        )
        if options.task_type is not None:
            self.attributes[semconv.TASK_TYPE] = label_of(options.task_type)
        if read is not None:
            take = TAKE_TASK[options.capture_content][type(read) is Memo]
            self._guessed = take(read, self.attributes, self._refuse)
            try:
                metadata = read("metadata")
                is_whole = metadata is None or options.capture_content
                self._metadata = metadata if is_whole else self._wanted(metadata)
            except BaseException as fault:  # the comparison with a key of a dict
                if is_interruption(fault):
                    raise
        if semconv.TASK_DESCRIPTION not in self.attributes:
            self._describe(args, kwargs)
        self._take_pool_type()

    def add_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Add *metadata*; the task's own takes precedence."""
        if self._metadata is None or is_mapping(type(self._metadata)):
            self._metadata = _merged(metadata, self._metadata)

    def set_default(self, column: str, value: Any) -> None:
        """Set *column* where the task does not set it."""
        key = FIELD_OF[column].key
        if (key not in self.attributes or key in self._guessed) and self._accept(column, value):
            if column == "task_description":
                self.set_default("estimated_tokens", value)

    def set(self, values: Mapping[str, Any]) -> None:
        """Set *values* (column -> value); at the end they take precedence over the task's and the result's."""
        self._given = {**self._given, **values}

    def known(self, column: str) -> Any:
        """Return the value of *column* that is known before the task starts; None: there is none yet.

        Of ``fields``, names and paths are looked up in the task and the pool; functions need the result.
        """
        value = self._known_field(column)
        cleaned = None if value is None else guarded(CLEAN_GIVEN[column], value)
        return self.attributes.get(FIELD_OF[column].key) if cleaned is None or cleaned is INVALID else cleaned

    def known_metadata(self) -> str:
        """Return the JSON of the metadata that are known before the task starts."""
        value = self._known_field("metadata")
        metadata = self._metadata if value is None else _merged(self._metadata, self._wanted(value))
        return json_of({"task": metadata} if is_mapping(type(metadata)) else {}, METADATA_LIMIT)

    def _known_field(self, column: str) -> Any:
        extractor = self._options.fields.get(column)
        if not isinstance(extractor, str):
            return None
        self._readers: dict[int, tuple[Any, Reader | None]] = {}
        return self._extract(column, extractor, None, None)[0]

    def attributes_so_far(self) -> dict[str, Any] | None:
        """Return the attributes captured so far, with the columns marked that have no value yet.

        None while the end is being captured. Any thread may call it.
        """
        attributes = self.attributes.copy()
        if semconv.DEFAULTED in attributes:
            return None
        attributes[semconv.DEFAULTED] = _missing(tuple(attributes))
        return attributes

    def returned(self, result: Any) -> Verdict:
        """Capture *result*, and judge it."""
        read = self._read_task if result is self._task else reader_of(result)
        if result is self._instance:
            self._read_pool = read = self._read_pool if self._options.fields else read
        if read is not None:
            TAKE_RESULT[self._options.capture_content][type(read) is Memo](read, self.attributes, self._refuse)
        given = self._apply_given(result, read) if self._options.fields or self._given else _NOTHING
        success = given.get("success")
        if success is not None and type(success) is not bool:
            self._refuse("success", success)
            success = None
        verdict = judge(result, read, self._options.success_when, success, given.get("error_message"))
        if verdict is ASSUMED and type(result) is bool:
            self._returned = result
        if verdict.error_message is not None:
            verdict = self._without_contents(verdict)
        self._complete(verdict)
        return verdict

    def raised(self, exception: BaseException, is_late: bool = False) -> Verdict:
        """Capture *exception*, and judge it: a cancellation that *is_late* came from a time limit."""
        exception = reason_of(exception)
        if self._options.fields or self._given:
            self._apply_given(None, None, has_returned=False)
        verdict = judge_raised(exception)
        if is_late and verdict.outcome is Outcome.CANCELLED:
            verdict = verdict._replace(outcome=Outcome.TIMEOUT, error_type=ErrorType.TIMEOUT)
        verdict = self._without_contents(verdict)
        self._complete(verdict)
        return verdict

    def _wanted(self, metadata: Any) -> Any:
        """Return *metadata*, or what may be kept of it."""
        options = self._options
        return metadata if options.capture_content else contents.metadata_without(metadata, options.keep_metadata)

    def _without_contents(self, verdict: Verdict) -> Verdict:
        """Return *verdict* with its message, or with what may be kept of that."""
        if self._options.capture_content or verdict.error_message is None:
            return verdict
        texts = contents.texts_of(self._task, self._read_task, self._given) + self._texts
        return verdict._replace(error_message=contents.message_without(verdict.error_message, texts))

    def _describe(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Describe the task by itself, where it is a text, or by the plain values among the arguments of its call."""
        options, attributes = self._options, self.attributes
        if not options.capture_content:
            #: Those among the arguments, which a message may repeat.
            self._texts: list[str] = guarded(texts_among, args, kwargs) or []
        text = None if self._task is None else plain_text(self._task)
        if text and guarded(is_a_secret, self._task, args, kwargs, options.parameters):
            text = MARKER
        if text is None and options.capture_content and (self._read_task is None or options.describes_calls):
            text = guarded(text_of_call, args or (self._task,), kwargs, options.parameters)
        if text:
            if options.capture_content:
                attributes[semconv.TASK_DESCRIPTION] = text_of(text, _DESCRIPTION_LIMIT)
            attributes.setdefault(semconv.TASK_ESTIMATED_TOKENS, (len(text) + 1) // 2)
            self._guessed += (semconv.TASK_DESCRIPTION, semconv.TASK_ESTIMATED_TOKENS)

    def _refuse(self, column: str, value: Any) -> None:
        cls = type(value)
        if cls is MethodType or cls is FunctionType or cls is BuiltinMethodType:  # it is no value of the task
            return
        self._invalid = {**self._invalid, column: value}

    def _take_pool_type(self) -> None:
        if self._options.pool_type is not None:
            self.attributes[semconv.POOL_TYPE] = label_of(self._options.pool_type)
        elif (read := self._read_pool) is not None:  # a plain function has no pool
            config = read("config")
            if config is not None:
                read_config = reader_of(config)
                if read_config is not None and self._accept("pool_type", guarded(read_config, "pool_type")):
                    return
            value = read("pool_type")
            if type(value) is str and len(value) <= IDENTIFIER_LIMIT:
                self.attributes[semconv.POOL_TYPE] = repeated_label_of(value)
            elif not self._accept("pool_type", value):
                cls = type(self._instance)
                # isinstance() would ask the instance for its class, which may run code.
                cls = self._instance if issubclass(cls, type) else cls
                self.attributes[semconv.POOL_TYPE] = label_of(type_name(cls))

    def _accept(self, column: str, value: Any) -> bool:
        """Store *value* in *column*, or among the invalid values; tell whether it is valid."""
        if value is None:
            return False
        try:
            cleaned = CLEAN_GIVEN[column](value)
        except BaseException as fault:  # foreign code failed
            if is_interruption(fault):
                raise
            cleaned = INVALID
        if cleaned is None or cleaned is INVALID:
            self._refuse(column, value)
            return False
        field = FIELD_OF[column]
        if self._options.capture_content or not field.content:
            self.attributes[field.key] = cleaned
        return True

    def _apply_given(self, result: Any, read_result: Reader | None, has_returned: bool = True) -> dict[str, Any]:
        """Apply the values of ``fields`` and of ``current_execution().set()``, which take precedence; return both."""
        self._readers = {}
        watch = self._options.unmatched_fields
        given: dict[str, Any] = {}
        for column, extractor in self._options.fields.items():
            if column in self._given:
                continue
            value, fault = self._extract(column, extractor, result, read_result)
            if value is not None:
                given[column] = value
                watch.found(column)
            elif has_returned:  # otherwise there is no result to look in
                text = watch.missed(column, extractor, fault)
                if text is not None:
                    self._unmatched = {**self._unmatched, column: text}
        given.update((column, value) for column, value in self._given.items() if value is not None)
        if "task_description" in given:
            given.setdefault("estimated_tokens", given["task_description"])
        for column, value in given.items():
            if column in FIELD_OF:
                self._accept(column, value)
        if "metadata" in given:
            self._metadata = _merged(self._metadata, self._wanted(given["metadata"]))
        return given

    def _extract(
        self, column: str, extractor: str | Extractor, result: Any, read_result: Reader | None
    ) -> tuple[Any, BaseException | None]:
        """Return the value that *extractor* finds, or None, and the exception that it raised."""
        if not isinstance(extractor, str):
            try:
                return extractor(self._instance, self._task, result), None
            except BaseException as fault:  # the user's function failed: the column is filled without it
                if is_interruption(fault):
                    raise
                return None, fault
        field = FIELD_OF.get(column)
        readers = [read_result, self._read_task, self._read_pool]
        if column == "pool_type":
            readers.reverse()
        elif field is not None and field.task_names and not field.result_first:
            readers = [self._read_task, read_result, self._read_pool]
        for read in readers:
            value = guarded(read_path, read, extractor, self._readers) if read is not None else None
            if value is not None:
                return value, None
        return None, None

    def _complete(self, verdict: Verdict) -> None:
        attributes = self.attributes
        read_pool = self._read_pool
        if read_pool is not None:
            for column, key in _POOL_IDS:
                if key not in attributes and (value := read_pool(column)) is not None:
                    self._accept(column, value)
        missing = _missing(tuple(attributes))
        if self._invalid:  # an id that holds a secret
            missing += tuple(column for column, key in _POOL_IDS if column in self._invalid and key not in attributes)
        attributes[semconv.DEFAULTED] = missing + self.also_defaulted
        if semconv.TASK_ID not in attributes:
            attributes[semconv.TASK_ID] = new_uuid()
        attributes[semconv.METADATA] = self._metadata_json()
        attributes[semconv.TASK_OUTCOME] = verdict.outcome._value_
        attributes[semconv.TASK_OUTCOME_SOURCE] = verdict.source
        if verdict.error_type is not None:
            attributes[semconv.ERROR_KIND] = verdict.error_type.value
            if verdict.error_message is not None:
                attributes[semconv.ERROR_MESSAGE] = verdict.error_message
            if verdict.exception_type is not None:
                attributes[semconv.ERROR_TYPE] = verdict.exception_type

    def _metadata_json(self) -> str:
        attributes = self.attributes
        pool_id, worker_id = attributes.get(semconv.POOL_ID), attributes.get(semconv.WORKER_ID)
        ids = _ids_json(pool_id, worker_id, self._returned)
        metadata, options = self._metadata, self._options
        names: Sequence[str] = ()
        if semconv.TASK_TYPE not in attributes or semconv.TASK_DESCRIPTION not in attributes:
            if options.capture_content and self._read_task is not None:
                names = options.unnamed_tasks.names(self._task)
        if metadata is None and not self._invalid and not self._unmatched and not names:
            return ids
        more: dict[str, Any] = {}
        if metadata is not None:
            if type(metadata) is dict or is_mapping(type(metadata)):
                more["task"] = metadata
            else:
                self._refuse("metadata", metadata)
        if self._invalid:
            more["invalid"] = self._invalid if self._options.capture_content else contents.kinds_of(self._invalid)
        if self._unmatched:
            more["unmatched"] = self._unmatched
        if names:
            more["names"] = names
        return json_of(more, METADATA_LIMIT, head=ids[1:-1])


_NOTHING: Final[Mapping[str, Any]] = {}
_DESCRIPTION_LIMIT: Final = COLUMN_OF["task_description"].limit
_POOL_IDS: Final = (("pool_id", semconv.POOL_ID), ("worker_id", semconv.WORKER_ID))


@functools.lru_cache(maxsize=1024)
def _missing(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that have a default, and no value among the attributes with these *keys*."""
    return tuple(column for key, column in MARKED if key not in keys)


@functools.lru_cache(maxsize=1024)
def _ids_json(pool_id: str | None, worker_id: str | None, returned: bool | None) -> str:
    ids = {"pool_id": pool_id, "worker_id": worker_id, "returned": returned}
    return json_of({name: value for name, value in ids.items() if value is not None}, METADATA_LIMIT)


def _merged(metadata: Any, more: Any) -> Any:
    both = [part for part in (metadata, more) if is_mapping(type(part))]
    if len(both) < 2:
        return both[0] if both else more
    merged: dict[Any, Any] = {}
    for part in both:
        guarded(_update, merged, part)
    return merged


def _update(merged: dict[Any, Any], part: Mapping[Any, Any]) -> None:
    merged.update(itertools.islice(part.items(), ITEMS_LIMIT))  # a mapping may have no end
