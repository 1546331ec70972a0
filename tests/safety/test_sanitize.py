"""Any object as small JSON, exact values, and valid UTF-8."""

import decimal
import enum
import json
import math
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import EXCEPTIONS, ODDITIES, Loud, LoudFloat, LoudInteger, made, refusing, texts, values

from learning_instrument.safety.redaction import MARKER
from learning_instrument.safety.sanitize import exact, json_of, message_of, text_of, type_name, utf8

LIMIT = 8192
SECRET = "sk-abcdefghijklmnopqrstuvwxyz"


class Level(enum.Enum):
    HIGH = "high"
    TEN = 10


class Word(str, enum.Enum):
    HELLO = "hello"


class Number(enum.IntEnum):
    FIVE = 5


class Alias(enum.Enum):
    NESTED = Level.HIGH


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e6, 1e6) | st.sampled_from(["a", "é"]),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.sampled_from("abc"), parts, max_size=3),
    max_leaves=6,
)
#: To be carried out with ``made``.
anything = st.recursive(
    values | texts,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(texts | st.integers(), parts, max_size=4),
    max_leaves=12,
)


def parsed(value, limit=LIMIT):
    return json.loads(json_of({"value": value}, limit))["value"]


# exact()


def test_exact_value_has_no_subclass(subtests):
    """Enum members become values, Decimals floats, and no method of a subclass runs."""
    for value, expected in [
        (Level.HIGH, "high"),
        (Level.TEN, 10),
        (Word.HELLO, "hello"),
        (Number.FIVE, 5),
        (Alias.NESTED, "high"),
        (Loud("text"), "text"),
        (LoudInteger(5), 5),
        (LoudFloat(0.5), 0.5),
        (decimal.Decimal("1.5"), 1.5),
        (True, True),
        (None, None),
    ]:
        with subtests.test(value=value, expected=expected):
            value = exact(value)

            assert type(value) is type(expected)
            assert value == expected


@pytest.mark.parametrize("value", [[1], {"a": 1}, object(), b"a"], ids=lambda value: type(value).__name__)
def test_other_values_are_left_as_they_are(value):
    """The same object is returned."""
    assert exact(value) is value


def test_numpy_like_scalar_is_a_number():
    """numpy need not be imported."""
    scalar = type("float64", (), {"__module__": "numpy", "item": lambda self: 2.5})()

    assert exact(scalar) == 2.5


# utf8(), text_of()


@given(texts)
def test_utf8_can_always_be_encoded(text):
    """Only lone surrogates are replaced, and the function is idempotent."""
    clean = utf8(text)

    assert clean.encode().decode() == clean
    assert utf8(clean) == clean
    assert len(clean) <= len(text)


@given(st.text())
def test_utf8_leaves_valid_text_as_it_is(text):
    """In any script."""
    assert utf8(text) is text


@pytest.mark.parametrize(("text", "expected"), [("a\ud800b", "a\ufffdb"), ("\udfff", "\ufffd"), ("\ud83d\ude00", "😀")])
def test_surrogates_are_replaced_and_pairs_are_joined(text, expected):
    """A split pair becomes its character."""
    assert utf8(text) == expected


@given(texts, st.integers(0, 50))
def test_text_fits_its_limit(text, limit):
    """And can be encoded."""
    assert len(text_of(text, limit).encode("utf-8", "strict").decode()) <= limit


def test_text_is_redacted_before_it_is_cut():
    """No pattern matches half a secret."""
    assert text_of(f"the key {SECRET}", 8 + 10) == f"the key {MARKER}"


# json_of()


@given(json_values)
def test_small_json_values_come_back_as_they_were(value):
    """Numbers, strings, lists and dicts of ordinary depth."""
    assert parsed(value) == value


@given(anything, st.sampled_from([20, 50, 200, LIMIT]))
def test_json_is_valid_and_fits(value, limit):
    """For any value and limit."""
    value = made(value)
    text = json_of({"value": value, "other": [value]}, limit)

    assert len(text.encode()) <= limit
    assert type(json.loads(text, parse_constant=pytest.fail)) is dict


def test_json_of_odd_objects_is_valid_and_fits(subtests):
    """Cyclic, deep, endless, huge and hostile ones."""
    for name in ODDITIES:
        with subtests.test(name=name):
            thing = ODDITIES[name]()

            for value in (thing, [thing], {"key": thing}):
                text = json_of({"value": value}, LIMIT)
                assert len(text.encode()) <= LIMIT
                json.loads(text, parse_constant=pytest.fail)


def test_values_unknown_to_json_become_text(subtests):
    """Of a foreign object only the class name."""
    for value, expected in [
        (math.inf, "inf"),
        (math.nan, "nan"),
        (2**64, "an integer of 65 bits"),
        (b"abc", "3 bytes"),
        (bytearray(4), "4 bytes"),
        ((1, 2), [1, 2]),
        ({"one"}, ["one"]),
        (frozenset({1}), [1]),
        (Level.HIGH, "high"),
        (decimal.Decimal("0.25"), 0.25),
        (types.SimpleNamespace(a=1), "<SimpleNamespace>"),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        ("a\ud800", "a\ufffd"),
        ({1: "a", None: "b", (1,): "c"}, {"1": "a", "null": "b"}),
    ]:
        with subtests.test(value=value, expected=expected):
            found = parsed(value)

            assert found == expected if type(expected) is not dict else expected.items() <= found.items()


def test_long_strings_are_cut_with_a_mark():
    """So that they do not look complete."""
    found = parsed("ab " * 1000)

    assert found.startswith("ab ab ")
    assert found.endswith("...")
    assert len(found) < 2100


def test_large_value_is_cut_until_it_fits():
    """The beginning is kept."""
    found = parsed({f"key{number}": "x" * 50 for number in range(1000)})

    assert found["key0"] == "x" * 50
    assert len(found) < 200


def test_value_that_cannot_fit_is_marked():
    """Where even the shortest form is too long."""
    assert json_of({"value": ["x" * 30] * 4}, 40) == '{"truncated":true}'


def test_depth_ends_in_a_mark():
    """A cycle is cut at the greatest depth."""
    cycle = []
    cycle.append(cycle)

    assert json_of({"value": cycle}, LIMIT) == '{"value":' + "[" * 8 + '"..."' + "]" * 8 + "}"


def test_head_comes_first():
    """It is encoded already."""
    assert json_of({"a": 1}, LIMIT, head='"id":"x"') == '{"id":"x","a":1}'
    assert json_of({}, LIMIT, head='"id":"x"') == '{"id":"x"}'
    assert json_of({}, LIMIT) == "{}"


def test_value_under_a_secret_name_is_left_out(subtests):
    """Of any shape and depth."""
    for name in ["password", "apiKey", "OPENAI_API_KEY", "access-token", "Authorization", "a.pwd"]:
        for value in ["hunter2", 7, ["a"], {"a": 1}, None]:
            with subtests.test(name=name, value=value):
                assert parsed({"deep": [{name: value, "other": 1}]}) == {"deep": [{name: MARKER, "other": 1}]}


def test_secrets_in_strings_are_redacted():
    """At any depth."""
    assert SECRET not in json_of({"value": {"note": [f"use {SECRET}"]}}, LIMIT)


@pytest.mark.parametrize("before", ["", "x" * 90 + " "], ids=["short", "cut within it"])
def test_secrets_in_names_are_redacted(before):
    """Keys of a mapping are text as well."""
    text = json_of({"value": {f"{before}{SECRET}": 1}}, LIMIT)

    assert SECRET[:16] not in text
    assert json.loads(text)["value"] == {f"{before}{MARKER}"[:100]: 1}


def test_no_method_of_a_foreign_object_runs():
    """Not ``repr``, ``bool`` or ``==``; only mappings and lists are iterated."""
    calls = ("__repr__", "__str__", "__bool__", "__eq__", "__hash__", "__len__", "__iter__", "__getattr__")
    thing = type("Silent", (), dict.fromkeys(calls, refusing(AssertionError)))()

    assert parsed(thing) == "<Silent>"


def test_interrupt_passes():
    """Only Ctrl-C: it is not the object's own."""
    interrupting = type("Interrupting", (dict,), {"items": refusing(KeyboardInterrupt)})()

    with pytest.raises(KeyboardInterrupt):
        json_of({"value": interrupting}, LIMIT)


# type_name(), message_of()


def test_type_name_runs_no_code_of_a_metaclass():
    """It is read from ``type`` itself."""
    meta = type("Meta", (type,), {"__name__": property(refusing()), "__getattribute__": refusing()})

    assert type_name(meta("Own", (), {})) == "Own"


def test_message_of_every_exception_is_text(subtests):
    """An exact string, empty where ``__str__`` fails."""
    for name in EXCEPTIONS:
        with subtests.test(name=name):
            assert type(message_of(EXCEPTIONS[name]())) is str


def test_message_is_the_str_of_an_exception():
    """Of an ordinary exception."""
    assert message_of(ValueError("wrong", 1)) == "('wrong', 1)"
    assert message_of(EXCEPTIONS["__str__ raises SystemExit"]()) == ""
