"""Redaction: each kind of secret is replaced, and ordinary text is not."""

import argparse
import ast
import dataclasses
import inspect
import json
import logging
import textwrap
import this
import time
import typing
from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st
from strategies import texts

from learning_instrument.safety.named_secrets import MARKER
from learning_instrument.safety.redaction import SEARCHED_CHARACTERS, SHORTEST_SECRET, redact, redact_all
from learning_instrument.safety.secret_names import names_a_secret

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
    "PGPASSWORD=hunter2 psql": "hunter2",
    "MYSQL_PWD=hunter2": "hunter2",
    "X-Auth-Key: abc123def456": "abc123def456",
    "client-key-data: LS0tLS1CRUdJTiB4": "LS0tLS1CRUdJTiB4",
    "AccountName=a;AccountKey=abcd1234==;EndpointSuffix=b": "abcd1234",
    "Server=db;Password=p4ss;Timeout=3": "p4ss",
    "curl -u user:pass https://host": "pass ",
    "run --password hunter2 now": "hunter2",
    "run --token=abcd1234": "abcd1234",
    "mysql -u root -phunter2 db": "hunter2",
    "Authorization: token abcdef123456": "abcdef123456",
    "Authorization: Digest username='a', response='0123abcd'": "username='a', response='0123abcd'",
    "Cookie: a=b; session=c1": "a=b; session=c1",
    "Set-Cookie: sid=c1; Path=/": "sid",
    "GET /x?key=abcd1234abcd&a=b": "abcd1234abcd",
    "https://x.example/b?sv=1&sig=aB3dE6gH9jK2mN5pQ8%3D&se=2": "aB3dE6gH9jK2mN5pQ8%3D",
    "https://x.example/b?X-Amz-Signature=0123456789abcdef&a=b": "0123456789abcdef",
    "machine host login bob password hunter2": "hunter2",
    "https://aB3dE6gH9jK2mN5pQ8sT@host/x": "aB3dE6gH9jK2mN5pQ8sT",
    "- name: DB_PASSWORD\n  value: hunter2": "hunter2",
    "<password>hunter2</password>": "hunter2",
    "{'auths': {'host': {'auth': 'dXNlcjpwYXNzd29yZA=='}}}": "dXNlcjpwYXNzd29yZA==",
    r'"{\"password\": \"hunter2\"}"': "hunter2",
    "my password is hunter2": "hunter2",
    "CREATE USER a IDENTIFIED BY 'hunter'": "hunter",
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
    "unexpected token: '}'",
    "session_token: expired",
    "api_key: Optional[str]",
    "sk-learn-contrib-package-name",
    "token = next(tokens)",
    "client(password=password, api_key=self.api_key, token=config.token)",
    "def connect(password: str, secret: bytes) -> None:",
    "invalid password: it must contain a digit",
    "the run chatcmpl-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7 used req_011CPaB3dE6gH9jK2mN",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4",
    "docker run -u 1000:1000 -p 8080:80 image && mkdir -p a/b",
    "export TOKEN=$OTHER; Authorization: Bearer $TOKEN",
    "input_cost_per_audio_token: 3.2e-05, pad_token: '<pad>', next_page_token: 2",
    "https://alice@example.com/repo.git ssh://git@host/x",
]
SECRET_NAMES = [
    "password", "PASSWORD", "db_password", "db-password", "dbPassword", "api_key", "apiKey", "apikey", "x-api-key",
    "OPENAI_API_KEY", "token", "accessToken", "access_token", "auth_token", "client_secret", "secret", "secret_key",
    "aws_secret_access_key", "private_key", "authorization", "Authorization", "cookie", "Set-Cookie", "credentials",
    "credential", "passphrase", "pwd", "config.password", "PGPASSWORD", "MYSQL_PWD", "X-Auth-Key", "client-key-data",
    "AccountKey", "SharedAccessKey", "signing_key", "encryptionKey", "jwtSecret", "smtp_pass", "password2",
]  # fmt: skip
OTHER_NAMES = [
    "", "tokens", "max_tokens", "input_tokens", "token_count", "key", "monkey", "primary_key", "keyboard", "author",
    "passwords_checked", "secretary", "cookies_eaten", "name", "x" * 200, "public_key", "cache_key", "sort_key",
    "pad_token", "cost_per_output_token", "next_page_token", "bypass", "compass",
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


#: Repeated, each makes some pattern try again and again.
REPEATED = [
    *("a", "A", "0", "_", "-", ".", "/", "=", "://a", "key=", "?key=", "&sig=", "token: ", "password '",
      '"token": "', "\\\"key\\\": "),
    *("Bearer ", "Authorization: ", "Cookie: a=", " -u a:", " --password ", "sk-", "sk-_",
      "eyJ", "eyJa.", "AAAA", "ghp_", "M", "pat:"),
    *("-----BEGIN PRIVATE KEY-----", "PuTTY-User-Key-File-2:", "login a password ", "<token>",
      "name: X_KEY value: ", "https://a:"),
    *("mysql -u ", "0.", "t1.", "1/", "A1b2C3d4E5f6G7h8", "0123456789abcdef",
      "digest ", " is ", "identified by '", "live_a_"),
]  # fmt: skip


def test_no_text_makes_a_pattern_start_over(subtests):
    """Four times the longest text that is searched takes a twentieth of a second: a square would take many."""
    for unit in REPEATED:
        with subtests.test(unit=unit):
            text = (unit * SEARCHED_CHARACTERS * 4)[: 4 * SEARCHED_CHARACTERS]
            started = time.perf_counter()
            redact_all(text)

            assert time.perf_counter() - started < 3


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
