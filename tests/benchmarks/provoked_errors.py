"""Labelled failures that real libraries raise: each statement is provoked five times with other values.

The label is the call that fails. Written before any grouping was tried on it; no mask and no word was chosen for it.
"""

import ast
import configparser
import datetime
import decimal
import json
import random
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
import urllib.request
import uuid
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import celery
import click
import duckdb
import httpx
import jinja2
import jsonschema
import openai
import pydantic
import redis
import requests
import yaml
from pydantic_ai.models import infer_model

from .error_messages import Failure

VARIANTS: Final = 5
_NAMES: Final = (
    "invoice", "customer", "order_item", "session", "embedding", "review", "plan", "tenant", "webhook", "report",
    "checkout", "user_profile", "payload", "price", "branch", "release", "artifact", "prompt", "shipment", "quota",
)  # fmt: skip
_TYPES: Final[tuple[Any, ...]] = (1, 1.5, None, [1], {"a": 1}, b"x", True, (1, 2))


class _Pick:
    """Values for one failing call."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def name(self) -> str:
        return self.chance.choice(_NAMES)

    def number(self, most: int = 10_000) -> int:
        return self.chance.randrange(2, most)

    def path(self) -> str:
        return f"/srv/{self.name()}/{self.name()}_{self.number(99)}.{self.chance.choice(('py', 'json', 'txt', 'csv'))}"

    def host(self) -> str:
        return f"{self.name().replace('_', '-')}.invalid"

    def odd(self) -> Any:
        return self.chance.choice(_TYPES)


def _sqlite(statement: Callable[[_Pick], str]) -> Callable[[_Pick], None]:
    """Return what runs *statement* in a database with two tables."""

    def run(pick: _Pick) -> None:
        connection = sqlite3.connect(":memory:")
        try:
            for name in _NAMES:
                connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {name}_key TEXT UNIQUE NOT NULL)")
                connection.execute(f"INSERT INTO {name} VALUES (1, 'a')")
            connection.execute(statement(pick))
        finally:
            connection.close()

    return run


def _duckdb(statement: Callable[[_Pick], str]) -> Callable[[_Pick], None]:
    def run(pick: _Pick) -> None:
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE {pick.name()}_known (id INTEGER)")
            connection.execute(statement(pick))

    return run


def _openai(status: int, error: Callable[[_Pick], dict[str, Any]]) -> Callable[[_Pick], None]:
    """Return what asks an API that answers with *error*."""

    def run(pick: _Pick) -> None:
        transport = httpx.MockTransport(lambda request: httpx.Response(status, json={"error": error(pick)}))
        with httpx.Client(transport=transport) as client:
            asked = openai.OpenAI(api_key="none", http_client=client, max_retries=0)
            asked.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "?"}])

    return run


def _rendered(template: Callable[[_Pick], str], **kind: Any) -> Callable[[_Pick], Any]:
    return lambda pick: jinja2.Environment(**kind).from_string(template(pick)).render()


def _responded(get: Callable[[httpx.Response], Any], status: int) -> Callable[[_Pick], Any]:
    return lambda pick: get(
        httpx.Response(
            status, request=httpx.Request("GET", f"https://{pick.host()}/v1/{pick.name()}?n={pick.number()}")
        )
    )


def _requests_status(pick: _Pick) -> None:
    response = requests.Response()
    response.status_code = pick.chance.choice((502, 503, 504))
    response.reason = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}[response.status_code]
    response.url = f"https://{pick.host()}/{pick.name()}/{pick.number()}"
    response.raise_for_status()


def _model(pick: _Pick, annotation: Any, value: Any) -> None:
    name = pick.name()
    pydantic.create_model(name.title(), **{name: (annotation, ...)})(**({} if value is _MISSING else {name: value}))


_MISSING: Final = object()


def _recursion(pick: _Pick) -> Any:
    return _recursion(pick)


def _click(*arguments: str) -> Callable[[_Pick], None]:
    def run(pick: _Pick) -> None:
        command = click.Command("run", params=[click.Option(["--count"], type=int), click.Argument(["path"])])
        command.main(
            [argument.format(name=pick.name(), n=pick.number()) for argument in arguments], standalone_mode=False
        )

    return run


def _read_ini(pick: _Pick) -> str:
    parser = configparser.ConfigParser()
    parser.read_string(f"[{pick.name()}]\na = 1\n")
    return parser.get(parser.sections()[0], f"{pick.name()}_missing")


#: Statement -> the call that fails.
STATEMENTS: Final[dict[str, Callable[[_Pick], Any]]] = {
    # the language
    "list index": lambda pick: [1, 2][pick.number()],
    "string index": lambda pick: pick.name()[pick.number() + 20],
    "tuple index": lambda pick: (1, 2)[pick.number()],
    "pop from list": lambda pick: [].pop(),
    "pop index": lambda pick: [1].pop(pick.number()),
    "key": lambda pick: {}[pick.name()],
    "attribute": lambda pick: getattr(pick.odd(), pick.name()),
    "attribute of module": lambda pick: getattr(pick.chance.choice((json, socket, struct, ssl)), pick.name()),
    "int of text": lambda pick: int(pick.name()),
    "float of text": lambda pick: float(pick.name()),
    "too many values": lambda pick: _unpack_two([1] * (pick.number(9) + 2)),
    "not enough values": lambda pick: _unpack_two([1][: pick.chance.randrange(2)]),
    "unsupported operands": lambda pick: pick.chance.choice((1, 1.5)) + pick.chance.choice((None, [1], {"a": 1})),
    "concatenate str": lambda pick: pick.name() + pick.chance.choice((1, 1.5, None, [1])),
    "not callable": lambda pick: pick.odd()(),
    "not iterable": lambda pick: iter(pick.chance.choice((1, 1.5, None, True))),
    "not subscriptable": lambda pick: pick.chance.choice((1, 1.5, None, True))[0],
    "no len": lambda pick: len(pick.chance.choice((1, 1.5, None, True))),
    "unhashable": lambda pick: {pick.chance.choice(([], {}, set())): 1},
    "missing argument": lambda pick: eval(f"(lambda {pick.name()}, b: 1)(b=1)"),
    "unexpected argument": lambda pick: (lambda a: a)(**{"a": 1, pick.name(): 2}),
    "list indices": lambda pick: [1][pick.chance.choice(("a", 1.5, None))],
    "division": lambda pick: pick.number() / 0,
    "recursion": _recursion,
    "import": lambda pick: __import__(f"{pick.name()}_{pick.number()}"),
    "import name": lambda pick: exec(f"from json import {pick.name()}"),
    "undefined name": lambda pick: eval(pick.name()),
    "syntax": lambda pick: ast.parse(f"x = {pick.name()} {pick.number()} y"),
    "decode": lambda pick: (pick.name().encode() + bytes([pick.chance.randrange(0xF8, 0xFF)])).decode(),
    "encode": lambda pick: (pick.name() + chr(pick.chance.randrange(0x400, 0x4FF))).encode("ascii"),
    "null byte": lambda pick: Path(f"{pick.path()}\0").stat(),
    # the standard library
    "open": lambda pick: Path(pick.path()).read_text(),
    "open directory": lambda pick: Path(pick.chance.choice(("/tmp", "/usr", "/etc", "/"))).read_text(),
    "json value": lambda pick: json.loads(f"[{'1, ' * pick.number(40)}{pick.name()}]"),
    "json extra": lambda pick: json.loads(f"{pick.number()} {pick.name()}"),
    "json delimiter": lambda pick: json.loads(f'{{"{pick.name()}": 1 "{pick.name()}": 2}}'),
    "json string": lambda pick: json.loads(f'["{pick.name()}'),
    "json type": lambda pick: json.dumps({pick.name(): pick.chance.choice((set(), object, 1j, b""))}),
    "date": lambda pick: datetime.datetime.fromisoformat(f"{pick.name()}-{pick.number()}"),
    "time format": lambda pick: datetime.datetime.strptime(f"{pick.number()}", "%Y-%m-%d"),
    "uuid": lambda pick: uuid.UUID(pick.name()),
    "decimal": lambda pick: decimal.Decimal(1) / decimal.Decimal(0),
    "struct": lambda pick: struct.unpack(f"{pick.number(9)}i", b"123"),
    "zip": lambda pick: zipfile.ZipFile(BytesIO(pick.name().encode())),
    "ini section": lambda pick: configparser.ConfigParser().get(pick.name(), pick.name()),
    "ini option": _read_ini,
    "process failed": lambda pick: subprocess.run(
        [sys.executable, "-c", f"exit({pick.number(9)})", pick.name()], check=True
    ),
    "process timeout": lambda pick: subprocess.run(
        [sys.executable, "-c", "import time; time.sleep(9)", pick.name()], timeout=pick.chance.uniform(0.001, 0.005)
    ),
    "refused": lambda pick: socket.create_connection(("127.0.0.1", 1), timeout=5),
    "url type": lambda pick: urllib.request.urlopen(f"{pick.name().replace('_', '')}://x/{pick.number()}"),
    # databases
    "sqlite no table": _sqlite(lambda pick: f"SELECT * FROM {pick.name()}s"),
    "sqlite no column": _sqlite(lambda pick: f"SELECT {pick.name()}s FROM invoice"),
    "sqlite no column in insert": _sqlite(lambda pick: f"INSERT INTO {pick.name()} ({pick.name()}s) VALUES (1)"),
    "sqlite unique": _sqlite(lambda pick: (name := pick.name()) and f"INSERT INTO {name} VALUES (2, 'a')"),
    "sqlite not null": _sqlite(lambda pick: f"INSERT INTO {pick.name()} VALUES (2, NULL)"),
    "sqlite syntax": _sqlite(lambda pick: f"SELECT * FROM {pick.name()} WHERE ORDER BY {pick.name()}"),
    "sqlite exists": _sqlite(lambda pick: f"CREATE TABLE {pick.name()} (id)"),
    "sqlite columns": _sqlite(lambda pick: f"INSERT INTO {pick.name()} VALUES (1, 'a', {pick.number()})"),
    "sqlite function": _sqlite(lambda pick: f"SELECT {pick.name()}(1)"),
    "duckdb no table": _duckdb(lambda pick: f"SELECT * FROM {pick.name()}"),
    "duckdb conversion": _duckdb(lambda pick: f"SELECT CAST('{pick.name()}' AS INTEGER)"),
    "redis": lambda pick: redis.Redis(port=pick.chance.randrange(1, 9), socket_timeout=1).get(pick.name()),
    # HTTP
    "httpx client status": _responded(lambda response: response.raise_for_status(), 404),
    "httpx server status": _responded(lambda response: response.raise_for_status(), 503),
    "httpx protocol": lambda pick: httpx.get(f"{pick.name().replace('_', '')}://x"),
    "requests status": _requests_status,
    "requests schema": lambda pick: requests.get(f"{pick.name()}/{pick.number()}", timeout=1),
    "requests refused": lambda pick: requests.get(f"http://127.0.0.1:1/{pick.name()}/{pick.number()}", timeout=5),
    # model APIs
    "openai rate": _openai(429, lambda pick: {
        "message": f"Rate limit reached for gpt-4o in organization org-{pick.name()} on tokens per min (TPM):"
        f" Limit 30000, Used {pick.number()}, Requested {pick.number()}.", "type": "tokens"}),
    "openai model": _openai(404, lambda pick: {
        "message": f"The model `{pick.name()}-{pick.number()}` does not exist", "type": "invalid_request_error"}),
    "openai server": _openai(500, lambda pick: {
        "message": f"The server had an error (request {uuid.UUID(int=pick.number())})", "type": "server_error"}),
    "pydantic_ai provider": lambda pick: infer_model(f"{pick.name()}:{pick.name()}-{pick.number()}"),
    # validation and templates
    "pydantic int": lambda pick: _model(pick, int, pick.name()),
    "pydantic missing": lambda pick: _model(pick, int, _MISSING),
    "jsonschema type": lambda pick: jsonschema.validate(pick.name(), {"type": "integer"}),
    "jsonschema required": lambda pick: jsonschema.validate({}, {"required": [pick.name()]}),
    "jsonschema maximum": lambda pick: jsonschema.validate(pick.number() + 10, {"maximum": 9}),
    "jinja undefined": _rendered(lambda pick: f"{{{{ {pick.name()} }}}}", undefined=jinja2.StrictUndefined),
    "jinja attribute": _rendered(lambda pick: f"{{{{ {{}}.{pick.name()}.b }}}}"),
    "jinja filter": _rendered(lambda pick: f"{{{{ 1 | {pick.name()} }}}}"),
    "jinja syntax": _rendered(lambda pick: f"{{% for x in {pick.name()} %}}"),
    "yaml": lambda pick: yaml.safe_load(f"{pick.name()}: [1, 2"),
    "yaml tag": lambda pick: yaml.safe_load(f"!{pick.name()} 1"),
    # commands and queues
    "click option": _click("--{name}", "x"),
    "click value": _click("--count", "{name}", "x"),
    "click missing": _click("--count", "{n}"),
    "celery task": lambda pick: celery.Celery(set_as_current=False).tasks[f"app.{pick.name()}.{pick.name()}"],
}  # fmt: skip


def _unpack_two(values: list[int]) -> int:
    one, two = values
    return one + two


def provoked(seed: int = 1) -> list[Failure]:
    """Return the failures of all statements, in turns.

    Raises:
        AssertionError: for a call that does not fail.
    """
    found = []
    for variant in range(VARIANTS):
        for label, call in STATEMENTS.items():
            try:
                call(_Pick(random.Random(f"{seed} {label} {variant}")))
            except Exception as error:
                found.append(Failure(label, type(error).__qualname__, str(error) or type(error).__name__))
            else:
                raise AssertionError(f"{label} did not fail")
    return found
