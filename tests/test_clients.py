"""Real clients of models: what is recorded is what the wire told, or the cell says what is less, and why."""

import json
import re
import subprocess
import urllib.request

import pytest

from tests.clients.__main__ import BEGIN, END, PAGE, environment, run_all
from tests.clients.judging import EQUAL, FAULT, Judged, judge, table
from tests.clients.matrix import AS_TOLD, CLIENTS, ENVIRONMENTS, OPENAI_BROKEN, UNPRICED, Reason
from tests.clients.wire import Wire

CLIENT = CLIENTS[0]._replace(reasons=OPENAI_BROKEN)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_tokens_and_costs_are_those_of_the_wire(name):
    """For each library, with each instrumentation, in each mode."""
    try:
        python = environment(name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the clients cannot be installed: {error.stderr.strip().splitlines()[-1]}")
    clients = [client for client in CLIENTS if client.environment == name]

    judged = [cell for cell, _ in run_all({name: python}, clients)]

    assert len(judged) == sum(len(client.modes) for client in clients)
    assert [(*cell.client[:2], cell.mode, cell.why) for cell in judged if cell.verdict == FAULT] == []


def cell(answers=1, source="priced", cost=0.00021, tokens=(1000, 100), errors=()):
    row = {"input_tokens": tokens[0], "output_tokens": tokens[1], "actual_cost": cost or 0.0, "cost_source": source}
    row["defaulted"] = "[]" if cost is not None else '["actual_cost"]'
    wire = {"answers": answers, "input_tokens": 1000, "output_tokens": 100, "cost": 0.00021}
    return {"wire": wire, "errors": list(errors), "execution": row, "calls": [{}]}


@pytest.mark.parametrize(
    ("mode", "found", "verdict"),
    [
        ("plain", cell(), EQUAL),
        ("plain", cell(cost=0.0002), FAULT),
        ("plain", cell(tokens=(1000, 99)), FAULT),
        ("plain", cell(answers=2), FAULT),
        ("plain", cell(errors=["APIError"]), FAULT),
        ("plain", cell(source="unpriced", cost=None), FAULT),
        ("plain", {"failed": "no end"}, FAULT),
        ("retry", cell(errors=["APIError"]), EQUAL),
        ("broken", cell(source="unpriced", cost=None, tokens=(None, None)), UNPRICED),
        ("broken", cell(source="partial", cost=0.0001, tokens=(1000, None)), FAULT),
        ("broken", cell(), FAULT),
    ],
)
def test_cell_is_equal_or_less_for_its_reason(mode, found, verdict):
    """What is neither is a fault, and so is a reason where the cell is equal."""
    assert judge(CLIENT, mode, found).verdict == verdict


def test_cell_is_as_its_client_tells_where_that_is_known():
    """By its exact figures, and by no others."""
    client = CLIENT._replace(reasons={"cached": Reason(AS_TOLD, "no cache", (1000, 100, 0.0003))})

    assert judge(client, "cached", cell(cost=0.0003)).verdict == AS_TOLD
    assert judge(client, "cached", cell(cost=0.00031)).verdict == FAULT
    assert judge(client, "cached", cell()).verdict == FAULT


def test_table_numbers_its_reasons():
    """One row for a client, each reason once, below it."""
    cells = [Judged(CLIENT, "plain", EQUAL), Judged(CLIENT, "broken", UNPRICED, "no usage")]

    lines = table(cells, {"newest": {"openai": "3.0"}}).splitlines()

    assert lines[2].startswith("| OpenAI chat completions | OpenInference | equal | - | unpriced (1) | - |")
    assert lines[2].endswith("| openai 3.0, openinference-instrumentation-openai missing |")
    assert lines[-1] == "1. no usage."


def test_page_has_every_client_and_no_fault():
    """As the last ``python -m tests.clients --write`` found them."""
    (written,) = re.findall(f"{BEGIN}(.*?){END}", PAGE.read_text("utf-8"), re.DOTALL)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in written.strip().splitlines()]

    assert [row[:2] for row in rows[2 : 2 + len(CLIENTS)]] == [[client.name, client.spans] for client in CLIENTS]
    assert FAULT not in written


def test_wire_tells_what_it_answered():
    """In the provider's own words, and it keeps the truth."""
    with Wire() as wire:
        body = json.dumps({"model": "claude-sonnet-4-5"}).encode()
        wire.usage = wire.usage._replace(cached=400, cache_write=100)
        answer = json.loads(urllib.request.urlopen(f"{wire.url}/v1/messages", body).read())

    assert answer["usage"]["input_tokens"] == 500
    assert wire.answers == [("anthropic", "claude-sonnet-4-5", wire.usage)]
