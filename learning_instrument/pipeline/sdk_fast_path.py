"""Fast access to the attributes of the SDK's spans, where their implementation is the known one."""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.trace import Span

from .private_span import PrivateSpan


def set_valid_attributes(span: Span, attributes: dict[str, Any]) -> bool:
    """Give a span attributes that need no checking, and are its own from now on; return whether it keeps all of them.

    The SDK checks each value, which takes a third of the time of an execution. Where its store is the known one and no
    limit applies, they are stored at once; otherwise through the public method.
    """
    if type(span) is PrivateSpan:
        if span.kept:
            span.kept.update(attributes)
        else:
            span.kept = attributes
        return True
    store = getattr(span, "_attributes", None)
    if (
        _STORE_IS_KNOWN
        and type(store) is BoundedAttributes
        and not store._immutable
        and store.max_value_len is None
        and (store.maxlen is None or len(store._dict) + len(attributes) <= store.maxlen)
    ):
        with store._lock:
            if store._dict or type(store._dict) is not dict:  # a former release's has an order
                store._dict.update(attributes)
            else:
                store._dict = attributes
        return True
    span.set_attributes(attributes)
    kept = getattr(span, "attributes", None) or {}
    return all(kept.get(key) == value for key, value in attributes.items())


def attributes_of(span: Any) -> Mapping[str, Any]:
    """Return a span's attributes for reading: the SDK's own store where it is the known one.

    ``span.attributes.get()`` takes a microsecond, and this runs for each execution and each span within one.
    """
    if type(span) is PrivateSpan:
        return span.kept
    store = getattr(span, "_attributes", None)
    if _STORE_IS_KNOWN and type(store) is BoundedAttributes:
        return store._dict
    return getattr(span, "attributes", None) or {}


def _store_is_known() -> bool:
    """Tell whether the installed SDK stores attributes as assumed here."""
    try:
        store = BoundedAttributes(maxlen=2, immutable=False)
        with store._lock:
            store._dict = {"key": ("value",)}
        return not store._immutable and store.max_value_len is None and dict(store) == {"key": ("value",)}
    except Exception:  # another release of the SDK: use the public methods
        return False


_STORE_IS_KNOWN: Final = _store_is_known()
