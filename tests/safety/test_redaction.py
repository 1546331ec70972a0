"""Redaction: each kind of secret is replaced, and ordinary text is not."""

import argparse
import ast
import dataclasses
import inspect
import json
import logging
import textwrap
import this
import typing
from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st
from strategies import texts

from learning_instrument.safety.redaction import MARKER, SEARCHED_CHARACTERS, SHORTEST_SECRET, names_a_secret, redact

LETTERS = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"  # 27, and like no word
KEY_BLOCK = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nx7Zq\n-----END RSA PRIVATE KEY-----"

#: Each is a secret from its first character to its last.
SECRETS = {
    "OpenAI": f"sk-proj-{LETTERS}",
    "Anthropic": f"sk-ant-api03-{LETTERS}-AA",
    "Stripe": f"sk_live_{LETTERS}",
    "Stripe, restricted": f"rk_test_{LETTERS}",
    "GitLab": f"glpat-{LETTERS}",
    "Slack": f"xoxb-123456789012-{LETTERS}",
    "PyPI": f"pypi-{LETTERS}{LETTERS}",
    "GitHub": f"ghp_{LETTERS}",
    "GitHub, server": f"ghs_{LETTERS}",
    "GitHub, fine-grained": f"github_pat_{LETTERS}_{LETTERS}",
    "Hugging Face": f"hf_{LETTERS}",
    "npm": f"npm_{LETTERS}{LETTERS}",
    "AWS": "AKIAIOSFODNN7EXAMPLE",
    "AWS, temporary": "ASIAIOSFODNN7EXAMPLE",
    "SendGrid": f"SG.{LETTERS}.{LETTERS}",
    "Google": f"AIza{LETTERS}{LETTERS}",
    "Google, OAuth": f"ya29.{LETTERS}",
    "JSON Web Token": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{LETTERS}",
    "private key": KEY_BLOCK,
    "private key, cut": KEY_BLOCK[:60],
}

#: Text -> what must not be left of it.
IN_CONTEXT = {
    "password=hunter2hunter2": "hunter2hunter2",
    "password: 'a b c'": "a b c",
    'DB_PASSWORD = "correct horse"': "correct horse",
    '{"api_key": "abcd1234"}': "abcd1234",
    "api-key=abcd1234": "abcd1234",
    "API_KEY=abcd1234": "abcd1234",
    "export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG": "wJalrXUtnFEMI/K7MDENG",
    "client_secret := abcd1234": "abcd1234",
    "secret => abcd1234": "abcd1234",
    "refresh_token=abcd1234": "abcd1234",
    "pwd=abcd": "abcd",
    "passphrase: abcd1234": "abcd1234",
    "?user=me&access_token=abcd1234": "abcd1234",
    "Authorization: Bearer abcdef.123456-7890": "abcdef.123456-7890",
    "send bearer abcdef1234567890": "abcdef1234567890",
    "Authorization: Basic dXNlcjpwYXNzd29yZA==": "dXNlcjpwYXNzd29yZA==",
    "postgres://me:s3cr3t@db.example/x": "s3cr3t",
    "redis://:s3cr3t@cache:6379/0": "s3cr3t",
    "https://me:p@ss@host/path": "p@ss",
}

ORDINARY = [
    "Fix the token counter: it counts each token twice.",
    "The key: write less. No secret here.",
    "Use max_tokens=4096 and tokens: 12.",
    "token = 5",
    "Sort by key=len, then reverse.",
    "The bearer of bad news arrived; the bearer of arms did not.",
    "A basic understanding: read first.",
    "Risk-averse task-oriented desk-checking of a mask-like sk-8 board.",
    "See https://example.com:8080/path?x=1#top and https://github.com/a/b.git",
    "Mail me@example.com at 10:30; ratio 3:4@2x.",
    "git clone git@github.com:owner/repo.git",
    "commit 3f2c1d9a8b7e6f5d4c3b2a1908f7e6d5c4b3a291",
    "id 123e4567-e89b-12d3-a456-426614174000",
    "the password is asked for at the prompt",
    "Add a PRIVATE KEY- check, and an AKIA prefix, and the letters SG.",
    "Überprüfe die Größe: naïve café, 東京 😀",
]
SECRET_NAMES = [
    "password", "PASSWORD", "db_password", "db-password", "dbPassword", "api_key", "apiKey", "apikey", "x-api-key",
    "OPENAI_API_KEY", "token", "accessToken", "access_token", "auth_token", "client_secret", "secret", "secret_key",
    "aws_secret_access_key", "private_key", "authorization", "Authorization", "cookie", "Set-Cookie", "credentials",
    "credential", "passphrase", "pwd", "config.password",
]  # fmt: skip
OTHER_NAMES = [
    "", "tokens", "max_tokens", "input_tokens", "token_count", "key", "monkey", "primary_key", "keyboard", "author",
    "passwords_checked", "secretary", "cookies_eaten", "name", "x" * 200,
]  # fmt: skip
MODULES: list[ModuleType] = [argparse, ast, dataclasses, json, logging, textwrap, typing, this]
words = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=10).filter(lambda word: word not in ("bearer", "basic"))
)


def test_each_kind_of_secret_is_replaced(subtests):
    """At any position, and nothing else."""
    for kind in SECRETS:
        for around in ["{}", "use {} now", "({})", '"{}"', "key\n{}\n"]:
            with subtests.test(kind=kind, around=around):
                if kind != "private key, cut" or around.endswith("{}"):
                    assert redact(around.format(SECRETS[kind])) == around.format(MARKER)


def test_values_assigned_to_a_secret_name_are_replaced(subtests):
    """The name stays."""
    for text in IN_CONTEXT:
        with subtests.test(text=text):
            found = redact(text)

            assert IN_CONTEXT[text] not in found
            assert MARKER in found
            assert found.startswith(text[: text.index(IN_CONTEXT[text])].rstrip("\"'"))


def test_url_keeps_user_and_host():
    """Only the password is replaced."""
    assert redact("postgres://me:s3cr3t@db.example/x") == f"postgres://me:{MARKER}@db.example/x"


def test_ordinary_text_is_left_as_it_is(subtests):
    """Prose about keys and tokens is not a secret."""
    for text in ORDINARY:
        with subtests.test(text=text):
            assert redact(text) == text


def test_ordinary_code_is_left_as_it_is(subtests):
    """The standard library's code contains no secret."""
    for module in MODULES:
        with subtests.test(module=module):
            code = inspect.getsource(module)

            for start in range(0, len(code), SEARCHED_CHARACTERS):
                part = code[start : start + SEARCHED_CHARACTERS]
                assert redact(part) == part


@given(words)
def test_plain_words_are_left_as_they_are(words):
    """Up to the number of characters that are searched."""
    text = " ".join(words)[:SEARCHED_CHARACTERS]

    assert redact(text) == text


@given(st.text(max_size=SHORTEST_SECRET - 1))
def test_short_text_is_left_as_it_is(text):
    """No pattern matches so short a text."""
    assert redact(text) is text


fragments = st.sampled_from([*SECRETS.values(), *IN_CONTEXT, *ORDINARY, " ", "\n", "=", ":", '"', MARKER]) | texts


@given(st.lists(fragments, max_size=6).map(" ".join))
def test_redaction_is_idempotent(text):
    """The marker is not a secret, and makes no secret of its neighbours."""
    assert redact(redact(text)) == redact(text)


@given(texts, st.sampled_from(list(SECRETS)), texts)
def test_secret_is_replaced_in_any_text(before, kind, after):
    """If it is a word of its own."""
    assert SECRETS[kind] not in redact(f"{before} {SECRETS[kind]} {after}")


@given(st.integers(-60, 60), st.sampled_from([secret for secret in SECRETS.values() if " " not in secret]))
def test_only_the_first_characters_are_kept(shift, secret):
    """And no half of a secret at the end."""
    text = "word " * ((SEARCHED_CHARACTERS + shift) // 5) + secret + " end" * 100

    found = redact(text)

    assert len(found) <= SEARCHED_CHARACTERS + len(MARKER)
    assert not any(secret[start : start + 12] in found for start in range(len(secret) - 11))


def test_last_word_of_long_text_is_removed():
    """It may be half a secret."""
    assert redact("x" * 4089 + " abcdefgh") == "x" * 4089
    assert 3000 < len(redact("x" * 5000)) < SEARCHED_CHARACTERS


def test_secret_names():
    """In common spellings."""
    assert [name for name in SECRET_NAMES if not names_a_secret(name)] == []


def test_names_that_are_not_secret():
    """They only look similar."""
    assert [name for name in OTHER_NAMES if names_a_secret(name)] == []


@given(texts)
def test_any_text_is_accepted_as_a_name(name):
    """It never raises."""
    assert type(names_a_secret(name)) is bool
