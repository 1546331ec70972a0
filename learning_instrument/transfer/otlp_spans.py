"""Reads the spans of OTLP's JSON: of collectors, Tempo, and protobuf's own JSON, and of older releases of all these."""

import base64
import binascii
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from json import loads
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode

from .. import semconv
from ..columns import COLUMNS
from ..costs.model_calls import is_model_call
from ..errors import ConfigurationError
from ..record import is_execution, row_from_span
from ..safety.sanitize import utf8
from .spread_document import GROUPS, SCOPE, SCOPES

#: OTLP's times have 64 bits: until the year 2554, with room for a duration.
LATEST: Final = 17 * 10**18
MODEL_CALL: Final = "model calls"
OTHER_SCOPES: Final = "spans of other scopes"
BATCHES: Final = "spans of batches"
UNKNOWN_GROUPS: Final = "groups of spans in an unknown form"
_OURS: Final = InstrumentationScope(semconv.SCOPE_NAME)
_DIGITS: Final = re.compile(r"[0-9]{1,20}")
_HEXADECIMAL: Final = re.compile("[0-9a-fA-F]+")
_SNAKE: Final = re.compile("_([a-z])")
_STATUS: Final = {2: StatusCode.ERROR, 1: StatusCode.OK}
_STATUS_NAMES: Final = {"STATUS_CODE_ERROR": StatusCode.ERROR, "STATUS_CODE_OK": StatusCode.OK}
_FAULTS: Final = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError)


class FoundSpan(NamedTuple):
    """A span, and the values of its execution: an error, which is not raised, where it is unreadable.

    Of others the values are what they are counted as.
    """

    values: dict[str, Any] | ConfigurationError | str
    span: ReadableSpan | None = None


def is_otlp(document: Mapping[str, Any]) -> bool:
    """Tell whether a JSON object is an OTLP request, or what programs make of one."""
    trace = document.get("trace")
    holder = trace if isinstance(trace, dict) else document
    return any(isinstance(holder.get(name), list) for name in (*GROUPS, *SCOPES))


def spans_in(document: dict[str, Any]) -> Iterator[FoundSpan]:
    """Yield each span of a request."""
    document = document["trace"] if isinstance(document.get("trace"), dict) else document
    groups = _members(document, *GROUPS)
    if any(name in document for name in SCOPES):
        groups = [*groups, document]
    for group in groups:
        has_spans = False
        of_service: Resource | None = None
        for scope_spans in _members(group, *SCOPES):
            found = _member(scope_spans, *SCOPE)
            scope = _scope(_text(_member(found, "name")) or "", _text(_member(found, "version")))
            for span in _members(scope_spans, "spans"):
                has_spans = True
                of_service = of_service or _resource_of(group)
                yield _found(span, of_service, scope)
            has_spans = has_spans or isinstance(_member(scope_spans, "spans"), list)
        if (
            not has_spans
            and isinstance(group, dict)
            and group.keys() - {"resource", "schemaUrl", "schema_url", *SCOPES}
        ):
            yield FoundSpan(UNKNOWN_GROUPS)


def execution_span(
    attributes: Mapping[str, Any], resource: Resource, start: int, trace_id: int, span_id: int
) -> ReadableSpan:
    """Return the span of an execution."""
    return ReadableSpan(
        semconv.SPAN_NAME,
        context=SpanContext(trace_id, span_id, is_remote=False),
        resource=resource,
        attributes=dict(attributes),
        start_time=start,
        instrumentation_scope=_OURS,
    )


@functools.lru_cache(maxsize=64)
def resource(service_name: str | None) -> Resource:
    """Return the resource of a service."""
    return Resource({} if service_name is None else {semconv.SERVICE_NAME: service_name})


def id_of(text: Any, digits: int) -> int:
    """Return a trace id or a span id as a number.

    Args:
        text: hexadecimal digits, or base64.
        digits: the number of hexadecimal digits.

    Raises:
        ValueError: if it is neither, or 0.
    """
    number = 0
    if isinstance(text, str):
        if len(text) == digits and _HEXADECIMAL.fullmatch(text):
            number = int(text, 16)
        else:
            number = _base64_number(text, digits // 2)
    if not number:
        raise ValueError(f"invalid id {text!r:.60}: expected {digits} hexadecimal digits")
    return number


def _base64_number(text: str, size: int) -> int:
    try:
        data = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return 0
    return int.from_bytes(data, "big") if len(data) == size else 0


def _found(span: Any, of_service: Resource, scope: InstrumentationScope) -> FoundSpan:
    is_ours = scope.name == semconv.SCOPE_NAME
    try:
        readable = _readable(span, of_service, scope)
        if not is_ours or not is_execution(readable):
            is_call = not is_ours and is_model_call(readable.attributes or {})
            return FoundSpan(MODEL_CALL if is_call else BATCHES if is_ours else OTHER_SCOPES, readable)
        values = dict(zip(COLUMNS, row_from_span(readable), strict=True))
        record = (readable.attributes or {}).get(semconv.RECORD)
        if record is not None:
            values.update(loads(record))  # type: ignore[arg-type]
        return FoundSpan(values, readable)
    except _FAULTS as error:
        if not is_ours:
            return FoundSpan(f"unreadable {OTHER_SCOPES}")
        return FoundSpan(ConfigurationError(f"not the span of a finished execution: {error!r:.200}"))


def _readable(span: Any, of_service: Resource, scope: InstrumentationScope) -> ReadableSpan:
    if "traceId" not in span:
        span = _camel_case(span)
    start = _count(span["startTimeUnixNano"])
    if not 0 <= start <= LATEST:
        raise ValueError(f"it starts at {start} ns")
    trace_id = id_of(span["traceId"], 32)
    parent = span.get("parentSpanId")
    end = span.get("endTimeUnixNano")
    return ReadableSpan(
        semconv.SPAN_NAME,
        context=SpanContext(trace_id, id_of(span["spanId"], 16), is_remote=False),
        parent=SpanContext(trace_id, _parent(parent), is_remote=False) if parent and _parent(parent) else None,
        resource=of_service,
        attributes=_attributes(span),
        events=[_event(event) for event in _members(span, "events")],
        status=_status(span.get("status")),
        start_time=start,
        end_time=start if end is None else _count(end),
        instrumentation_scope=scope,
    )


def _parent(text: Any) -> int:
    """Return the id of a parent; 0, as some programs write it, is none."""
    try:
        return id_of(text, 16)
    except ValueError:
        return 0


def _event(event: Any) -> Event:
    return Event(str(_member(event, "name")), _attributes(event), 0)


def _status(status: Any) -> Status:
    code = _member(status, "code")
    return Status(
        _STATUS_NAMES.get(code, StatusCode.UNSET) if isinstance(code, str) else _STATUS.get(code, StatusCode.UNSET)
    )


def _attributes(holder: Any) -> dict[str, Any]:
    pairs = ((pair["key"], _read(pair.get("value"))) for pair in _members(holder, "attributes"))
    return {key: value for key, value in pairs if value is not None}


def _camel_case(value: Any) -> Any:
    """Return a message of protobuf with the keys of its JSON form. Its maps are lists of pairs."""
    if isinstance(value, dict):
        return {_SNAKE.sub(_capital, key): _camel_case(member) for key, member in value.items()}
    return [_camel_case(member) for member in value] if isinstance(value, list) else value


def _capital(found: "re.Match[str]") -> str:
    return found[1].upper()


def _resource_of(group: Any) -> Resource:
    for pair in _members(_member(group, "resource"), "attributes"):
        value = _member(pair, "value")
        name = _member(value, "stringValue", "string_value")
        if _member(pair, "key") == semconv.SERVICE_NAME and isinstance(name, str):
            return resource(utf8(name))
    return resource(None)


@functools.lru_cache(maxsize=256)
def _scope(name: str, version: str | None) -> InstrumentationScope:
    return InstrumentationScope(name, version)


#: How what these spans hold is pickled that does not pickle by itself.
REDUCERS: Final[dict[type, Callable[[Any], Any]]] = {
    Resource: lambda of_service: (resource, (of_service.attributes.get(semconv.SERVICE_NAME),)),
    InstrumentationScope: lambda scope: (_scope, (scope.name, scope.version)),
}


def _text(value: Any) -> str | None:
    return utf8(value) if isinstance(value, str) else None


def _read(value: Any) -> Any:
    """Return the value of an AnyValue; None where it has none. Its integers are usually text; lists become tuples."""
    if not value:
        return None
    ((kind, held),) = value.items()
    if kind in ("intValue", "int_value"):
        return _whole(held)
    if kind in ("doubleValue", "double_value"):
        return float(held)
    if kind in ("arrayValue", "array_value"):
        return tuple(_read(item) for item in _members(held, "values"))
    if kind in ("kvlistValue", "kvlist_value"):
        return {pair["key"]: _read(pair.get("value")) for pair in _members(held, "values")}
    return held


def _whole(value: Any) -> int:
    return -_count(value[1:]) if isinstance(value, str) and value.startswith("-") else _count(value)


def _count(value: Any) -> int:
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        raise ValueError(f"invalid integer {value!r:.60}")
    return int(value)


def _members(value: Any, *names: str) -> list[Any]:
    found = _member(value, *names)
    return found if isinstance(found, list) else []


def _member(value: Any, *names: str) -> Any:
    """Return the member of an object under the first of *names* that it has."""
    if isinstance(value, dict):
        for name in names:
            if name in value:
                return value[name]
    return None
