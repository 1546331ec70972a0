"""A call is described by the plain values among its arguments."""

import enum
import pathlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ODDITIES, made, refusing_object, values

from learning_instrument.recording.arguments import is_a_secret, plain_text, text_of_call, texts_among

PASSWORD = "hunter2-and-more"
SECRET = "sk-abcdefghijklmnopqrstuv1234567890"
ID = uuid.UUID(int=1)


class Level(enum.Enum):
    HIGH = "high"


@pytest.mark.parametrize(
    ("args", "kwargs", "shown"),
    [
        (("https://example.org", 3), {"retries": 2}, '"https://example.org", 3, retries=2'),
        ((), {"url": "a b", "timeout": 0.5}, 'url="a b", timeout=0.5'),
        ((Level.HIGH, pathlib.PurePosixPath("/a/b"), ID), {}, f'"high", "/a/b", "{ID}"'),
        ((object(), [1], {"a": 1}, None, True, b"x", 2**70, 7), {"flag": False, "rows": []}, "7"),
        ((object(),), {"session": object()}, None),
        ((), {}, None),
    ],
)
def test_plain_values_are_shown_as_in_a_call(args, kwargs, shown):
    """Text in quotes, numbers as they are, names before the equals sign; nothing of other objects."""
    assert text_of_call(args, kwargs, ()) == shown


def test_instance_is_no_argument():
    """Not even one that is a text."""
    assert text_of_call((Level.HIGH, 3), {}, ("self", "number")) == "3"
    assert text_of_call((Level.HIGH, 3), {}, ("level", "number")) == '"high", 3'


def test_secrets_are_redacted():
    """By their shape, and by the name of the parameter or the keyword."""
    shown = text_of_call(
        ("bob", "hunter2-and-more", SECRET), {"api_key": "k3y-of-mine-99"}, ("user", "password", "text")
    )

    assert shown == '"bob", "[redacted]", "[redacted]", api_key="[redacted]"'
    assert text_of_call((12345678,), {}, ("pwd",)) == "[redacted]"


@given(st.lists(values, max_size=5), st.dictionaries(st.text(max_size=5), values, max_size=5))
def test_no_arguments_raise_or_run_code(args, kwargs):
    """Whatever they are: objects whose every method fails are left out."""
    text = text_of_call(list(map(made, args)), {name: made(value) for name, value in kwargs.items()}, ())

    assert text is None or type(text) is str


def test_no_foreign_repr_is_called():
    """The objects raise from it."""
    loud = refusing_object("__repr__", "__str__", "__format__", "__getattr__", "__bool__", "__eq__", "__len__")

    assert text_of_call((loud, 1), {"each": loud}, ()) == "1"


@given(st.sampled_from([*ODDITIES, "text", 5, None]))
def test_only_text_is_text(value):
    """Also of a class of its own, and the value of an enum member."""
    value = made(value)
    text = plain_text(value)

    assert text is None or issubclass(type(value), (str, enum.Enum))


@pytest.mark.parametrize(
    ("args", "kwargs", "parameters", "is_secret"),
    [
        ((PASSWORD,), {}, ("password",), True),
        ((), {"api_key": PASSWORD}, (), True),
        ((object(), PASSWORD), {}, ("self", "token"), True),
        ((PASSWORD,), {}, ("text",), False),
        (("other", PASSWORD), {}, ("password", "text"), False),
        ((PASSWORD,), {}, (), False),
    ],
)
def test_a_task_is_a_secret_by_the_name_of_its_argument(args, kwargs, parameters, is_secret):
    """Of the argument that holds the task, and of no other."""
    assert is_a_secret(PASSWORD, args, kwargs, parameters) is is_secret


@given(st.lists(values, max_size=5), st.dictionaries(st.text(max_size=5), values, max_size=5))
def test_texts_among_arguments_run_no_code(args, kwargs):
    """Whatever the arguments are."""
    found = texts_among(list(map(made, args)), {name: made(value) for name, value in kwargs.items()})

    assert all(type(text) is str for text in found)
