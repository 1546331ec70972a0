"""Lines of arguments for every command, on a database of any executions."""

from learning_instrument.cli.main import COMMANDS

#: Report -> the lines that ask it.
REPORTS = {
    "summary": [["summary"]],
    "performance": [["performance"], ["performance", "--by", "model_tier", "--by", "day"]],
    "costs": [["costs"], ["costs", "--by", "repo", "--budget", "100"]],
    "errors": [["errors"], ["errors", "--details"]],
    "compare": [["compare", "--before", "..2026-11-13", "--after", "2026-11-13.."], ["compare", "--by", "model_tier"]],
    "patterns": [["patterns", "--min-support", "1"]],
    "similar": [["similar", "fix the crash in parser.py"]],
    "list": [["list"], ["list", "--failed"]],
    "show": [["show", "first"]],
    "tail": [["tail", "--for", "0"]],
}
#: The others; FILE is the name of a file that is not there.
OTHERS = {
    "feedback": [["feedback", "first", "--accept", "--comment", "fine"], ["feedback", "first", "--delete"]],
    "reprice": [["reprice"]],
    "export": [["export", "--output", "FILE"]],
    "import": [["import", "FILE"]],
    "pull": [["pull", "clickhouse://127.0.0.1:1", "--output", "FILE"]],
    "push": [["push", "clickhouse://127.0.0.1:1"]],
    "fleet": [["fleet", "status", "clickhouse://127.0.0.1:1"]],
    "prune": [["prune", "--keep", "1", "--dry-run"], ["prune", "--keep", "1000", "--yes"]],
    "delete": [["delete", "first", "--dry-run"]],
    "rebuild": [["rebuild"]],
    "index": [["index"], ["index", "model"]],
    "backup": [["backup", "FILE"]],
    "recover": [["recover"]],
    "doctor": [["doctor"]],
    "demo": [["demo", "FILE", "--executions", "3"]],
    "watch": [["watch", "--once", "--budget", "1"]],
    "top": [["top"]],
    "serve": [["serve", "--host", "192.0.2.1"]],
    "report": [["report", "--out", "FILE"], ["report", "--out", "FILE", "--since", "30d", "--budget", "100"]],
    "open": [["open", "--print-metadata"]],
    "pools": [["pools"], ["pools", "--json"]],
    "run": [["run", "FILE"]],
}


def lines(file):
    """Return every line, with *file* as the name of a file that is not there."""
    assert {*REPORTS, *OTHERS} == set(COMMANDS)
    named = [line for of_command in {**REPORTS, **OTHERS}.values() for line in of_command]
    return [[file if word == "FILE" else word for word in line] for line in named]
