"""What is masked in a message, and which messages become one template."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_instrument.message_templates import mask, merge


def test_what_varies_is_masked(subtests):
    """And nothing else."""
    for message, template in [
        ("took 12 ms, 3.5s, -1 and 1,234.56", "took <N> ms, <N>s, <N> and <N>"),
        ("worker-12 lost", "worker-<N> lost"),
        ("no such table: users", "no such table: users"),
        ("at 0x7f3A and deadbeef01", "at <ID> and <ID>"),
        ("task 6fa459ea-ee8a-3ca4-894e-db77e160355e failed", "task <ID> failed"),
        ("key sk-AbCdEfGhIjKlMn0123456789 refused", "key <ID> refused"),
        ("a feedback face is no id", "a feedback face is no id"),
        ("GET https://x.example/a?b=c: 404", "GET <URL> <N>"),
        ("see (http://x.example/a)", "see (<URL>)"),
        ("open /srv/a/b.txt or C:\\dir\\f.py or ./x or ~/y", "open <PATH> or <PATH> or <PATH> or <PATH>"),
        ("module.py:12:5: and/or n/a", "<PATH>:<N>: and/or n/a"),
        ("in src/app/main.py, line 3", "in <PATH>, line <N>"),
        ("'a' is not \"b c\" nor `d`", "<TEXT> is not <TEXT> nor <TEXT>"),
        ("can't read the user's file", "can't read the user's file"),
        ("it's 'don't' here", "it's <TEXT> here"),
        ("“a” «b» „c“ 「d」", "<TEXT> <TEXT> <TEXT> <TEXT>"),
        ("an unclosed ' quote", "an unclosed ' quote"),
        ("mail a.b@c.example now", "mail <EMAIL> now"),
        ("since 2026-11-22T10:00:00.123Z and 2026-11-22", "since <TIME> and <TIME>"),
        ("code 429 - {'error': {'message': 'x'}} end", "code <N> - <DATA> end"),
        ("cut {'error': {'mess", "cut <DATA>"),
        ("one of 1, 2, 3 or 4", "one of <N> or <N>"),
        ("from 10.0.0.1:5432", "from <N>"),
        ("first line 1\nsecond line 2", "first line <N>"),
        ("\n  \n after blanks", "after blanks"),
        ('Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no 3', "ValueError: no <N>"),
        ("Traceback (most recent call last):\n  File", "File"),
        ("ファイル /a/b.txt が見つかりません", "ファイル <PATH> が見つかりません"),
        ("", ""),
        (" \n ", ""),
    ]:
        with subtests.test(message=message, template=template):
            assert mask(message) == template


def test_long_messages_are_cut():
    """The rest is usually data."""
    assert mask("word " * 200) == mask("word " * 300)
    assert len(mask("word " * 200).split()) == 50


@given(st.text(max_size=1000) | st.text(alphabet="a1'\"/\\-{}._ :@", max_size=1000))
def test_any_text_has_a_template(message):
    """In one line, with single spaces."""
    template = mask(message)

    assert template == " ".join(template.split())
    assert mask(message) == template


def test_no_message_takes_long(subtests):
    """A message has at most 1000 characters; none of these is a trap."""
    for piece in ["a-", "'a", "{'", "/a", "1,", "a.", "a@", '"\\', "-1", "x://", "0a", "{{'", "..", "“"]:
        with subtests.test(piece=piece):
            for text in (piece * 500, "x" + piece * 499 + " ", piece * 400 + "\n"):
                mask(text[:1000])  # the test's time-out is the assertion


def test_alike_templates_become_one():
    """Of equal length and with the same telling words; what differs gets a wildcard."""
    templates = ["could not open table one", "could not open table two", "could not open it", "shut the front door now"]

    assert merge(templates) == {
        "could not open table one": "could not open table <*>",
        "could not open table two": "could not open table <*>",
        "could not open it": "could not open it",
        "shut the front door now": "shut the front door now",
    }


@pytest.mark.parametrize(
    ("other", "is_merged"),
    [
        ("a b c d x y", True),
        ("a b c x y z", False),
        ("a b c d e", False),
        ("a b c d x <N>", True),
        ("a b c <N> <ID> <N>", False),
    ],
)
def test_two_thirds_of_the_words_are_enough(other, is_merged):
    """And less are not."""
    assert (merge(["a b c d e f", other])[other] != other) is is_merged


@pytest.mark.parametrize(
    ("one", "other", "is_merged"),
    [
        ("<N> <ID> a_1 b_1 <PATH>", "<N> <ID> a_1 c_1 <PATH>", False),  # one of two words: masks do not count
        ("<N> <ID> a_1 b_1 d_1 <PATH>", "<ID> <N> a_1 c_1 d_1 <URL>", True),
        ("<N>", "<ID>", False),
        ("<N>: <ID>", "<N>: <ID>:", False),
        ("user_id", "order_id", False),
        ("CancelledError", "TimeoutError", False),
    ],
)
def test_masks_are_no_agreement(one, other, is_merged):
    """What is masks alone, or one word, is a template by itself."""
    assert (len(set(merge([one, other]).values())) == 1) is is_merged


def test_template_joins_the_one_it_is_most_like():
    """Not the first that would do."""
    merged = merge(["a b c d e f", "a b p q e g", "a b p q e f"])

    assert merged["a b p q e f"] == merged["a b p q e g"] == "a b p q e <*>"
    assert merged["a b c d e f"] == "a b c d e f"


APART = """
list index out of range | string index out of range
list index out of range | tuple index out of range
no such table: users | no such column: users
no such table: users | no such column: email
Extra data: line 1 column 3 (char 2) | Expecting value: line 1 column 1 (char 0)
'NoneType' object has no attribute 'x' | module 'm' has no attribute 'x'
'str' object is not callable | 'int' object is not iterable
math domain error | math range error
pop from empty list | pop from empty deque
read of closed file | write of closed file
[Errno 111] Connection refused | [Errno 104] Connection reset
UNIQUE constraint failed: users.email | CHECK constraint failed: users.email
table users has no column named x | table users has no index named x
Task 12 failed with exit code 3 | Task 12 finished with exit code 3
Worker 3 lost connection to broker 4 | Worker 3 lost heartbeat of broker 4
'utf-8' codec can't decode byte 0xff in position 5: invalid start byte | \
'utf-8' codec can't decode byte 0xff in position 5: invalid continuation byte
the input is too long: 300 tokens > 200 | the output is too long: 300 tokens > 200
permission denied for table users | permission denied for schema users
user not found | user not active
Failed to open file /x/y | Failed to close file /x/y
1 worker is unable to connect to 3 | 1 worker is unable to listen to 3
You can't read 5 rows of them | You mustn't read 5 rows of them
""".replace("\\\n", "")
TOGETHER = """
no such table: users | no such table: session
UNIQUE constraint failed: users.email | UNIQUE constraint failed: orders.number
table users already exists | table session already exists
Tool search is not registered | Tool user_lookup is not registered
Queue mail is full: 3 of 4 slots | Queue video is full: 7 of 8 slots
expected 3 rows in users, found 4 | expected 5 rows in orders, found 1
agent planner: step fetch failed with code 3 | agent coder: step compile failed with code 3
Could not find user bob in tenant acme | Could not find user alice in tenant umbrella
run() missing 1 required positional argument: 'x' | start() missing 1 required positional argument: 'y'
table users has no column named first | table orders has no column named last
1 validation error for TaskInput | 2 validation errors for PlanStep
connection to alpha was lost | connection to beta was lost
ファイル /a が見つかりません | ファイル /b が見つかりません
""".replace("2 validation errors", "2 validation error")


@pytest.mark.parametrize("pair", APART.strip().splitlines())
def test_messages_that_differ_in_the_telling_word_stay_apart(pair):
    """However many other words are equal: two statements said them."""
    one, other = (mask(message) for message in pair.split(" | "))

    assert merge([one, other]) == {one: one, other: other}
    assert merge([other, one]) == {one: one, other: other}


@pytest.mark.parametrize("pair", TOGETHER.strip().splitlines())
def test_names_that_are_plain_words_differ_within_a_group(pair):
    """Where a name is announced."""
    one, other = (mask(message) for message in pair.split(" | "))

    assert len(set(merge([one, other]).values())) == len(set(merge([other, one]).values())) == 1


@pytest.mark.parametrize(
    "template",
    [
        "could not {a} the thing now",
        "load a_{a} from b_{b} now",
        "load a_{a} from b_{few} now",
        "a_{a} b_{b}",
        "no such table: {a}",
    ],
)
def test_distinct_templates_take_linear_time(template):
    """Ten thousand of them, alike or not; comparing each with each would exceed the test's time-out."""
    words = ["".join(letters) for letters in product("abcdefghij", repeat=4)]
    templates = [template.format(a=word, b=words[-number], few=words[number % 5]) for number, word in enumerate(words)]

    assert len(merge(templates)) == 10_000


token_lists = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(" ".join)


@given(known=st.lists(token_lists, max_size=12, unique=True), later=token_lists)
def test_new_message_moves_no_other(known, later):
    """Those that were together stay so, and those apart too."""
    before, after = merge(known), merge([*known, later])

    assert after.keys() == {*known, later}
    for one in known:
        for other in known:
            assert (before[one] == before[other]) <= (after[one] == after[other])


@given(st.lists(token_lists, max_size=12))
def test_templates_match_their_messages(templates):
    """Token by token, but for wildcards."""
    for message, template in merge(templates).items():
        pairs = list(zip(message.split(), template.split(), strict=True))
        assert all(own in (token, "<*>") for token, own in pairs)
