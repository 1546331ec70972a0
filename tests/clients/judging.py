"""Compares what a cell recorded with the wire, and draws the table."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from .matrix import AS_TOLD, MODES, PARTIAL, UNKNOWN, UNPRICED, Client, Reason

EQUAL: Final = "equal"
FAULT: Final = "fault"
_TITLES: Final = {"broken": "broken off", "retry": "error, again", "parallel": "3 at once", "twice": "told twice"}


class Judged(NamedTuple):
    """One cell of the table."""

    client: Client
    mode: str
    #: EQUAL, FAULT, or what the cost is instead, and why.
    verdict: str
    why: str = ""


def judge(client: Client, mode: str, cell: Mapping[str, Any]) -> Judged:
    """Compare the cell with the wire and with the reason that its client has for less."""
    reason: Reason | None = client.reasons.get(mode)
    verdict, shown = _verdict(mode, cell, reason)
    if verdict == EQUAL and reason is None:
        return Judged(client, mode, EQUAL)
    if reason is not None and reason.verdict == verdict:
        return Judged(client, mode, verdict, reason.why)
    expected = EQUAL if reason is None else reason.verdict
    return Judged(client, mode, FAULT, f"expected {expected}, found {verdict}: {shown}")


def _verdict(mode: str, cell: Mapping[str, Any], reason: Reason | None) -> tuple[str, str]:
    if "failed" in cell:
        return "no result", cell["failed"]
    wire, row = cell["wire"], cell["execution"]
    known = "actual_cost" not in row["defaulted"]
    cost = row["actual_cost"] if known else None
    shown = (
        f"wire {wire['input_tokens']}/{wire['output_tokens']} ${wire['cost']:.8g}, recorded"
        f" {row['input_tokens']}/{row['output_tokens']} {'no cost' if cost is None else f'${cost:.8g}'}"
        f" ({row['cost_source']})"
    )
    if cell["errors"]:
        shown += f"; the client raised {cell['errors']}"
    if wire["answers"] != (3 if mode == "parallel" else 1) or (cell["errors"] and mode not in ("broken", "retry")):
        return "another number of answers", shown
    # Embeddings have no output to tell of.
    has_tokens = (row["input_tokens"], row["output_tokens"] or 0) == (wire["input_tokens"], wire["output_tokens"])
    if has_tokens and cost is not None and math.isclose(cost, wire["cost"], rel_tol=1e-9):
        return (EQUAL if row["cost_source"] in ("reported", "priced") else row["cost_source"]), shown
    if row["cost_source"] == PARTIAL and cost is not None and cost <= wire["cost"] * (1 + 1e-9):
        return PARTIAL, shown
    if row["cost_source"] == UNPRICED and cost is None:
        return UNPRICED, shown
    if row["cost_source"] is None and cost is None:
        return UNKNOWN, shown
    if row["cost_source"] == "priced" and reason is not None and reason.recorded is not None:
        tokens_in, tokens_out, dollars = reason.recorded
        if (row["input_tokens"], row["output_tokens"]) == (tokens_in, tokens_out) and math.isclose(
            row["actual_cost"], dollars
        ):
            return AS_TOLD, shown
    return "other figures", shown


def table(cells: Sequence[Judged], versions: Mapping[str, Mapping[str, str]]) -> str:
    """Return the cells as a table in Markdown, with the reasons below it.

    Args:
        cells: of any number of clients.
        versions: environment -> package -> its version.
    """
    notes: dict[str, int] = {}
    lines = [
        f"| library | spans by | {' | '.join(_TITLES.get(mode, mode) for mode in MODES)} | versions |",
        f"|---|---|{'---|' * len(MODES)}---|",
    ]
    for client, group in itertools.groupby(cells, key=lambda cell: cell.client):
        found = {cell.mode: cell for cell in group}
        shown = " | ".join(_shown(found.get(mode), notes) for mode in MODES)
        installed = versions[client.environment]
        packages = ", ".join(f"{package} {installed.get(package, 'missing')}" for package in client.packages)
        lines.append(f"| {client.name} | {client.spans} | {shown} | {packages} |")
    return "\n".join([*lines, "", *(f"{number}. {why}." for why, number in notes.items())])


def _shown(cell: Judged | None, notes: dict[str, int]) -> str:
    if cell is None:
        return "-"
    if not cell.why:
        return cell.verdict
    return f"{cell.verdict} ({notes.setdefault(cell.why, len(notes) + 1)})"
