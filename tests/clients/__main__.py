"""Run real clients of models against a server on loopback, and compare the wire's tokens and cost with those recorded.

python -m tests.clients                          all clients, in environments that it makes
python -m tests.clients --client litellm         those whose name, spans or library have this text; may be repeated
python -m tests.clients --mode broken            in this mode; may be repeated
python -m tests.clients --spans                  print the spans of what is not equal
python -m tests.clients --write                  put the table into docs/reference/model-calls.md
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import requires
from typing import Any, Final

from ..environments import python_of
from ..fresh import ROOT, variables
from .judging import FAULT, Judged, judge, table
from .matrix import CLIENTS, ENVIRONMENTS, MODES, Client

PAGE: Final = ROOT / "docs" / "reference" / "model-calls.md"
BEGIN: Final = "<!-- python -m tests.clients --write -->\n"
END: Final = "<!-- end -->\n"
_VERSIONS: Final = (
    "import json, importlib.metadata as m;"
    " print(json.dumps({each.metadata['Name'].lower(): each.version for each in m.distributions()}))"
)


def environment(name: str) -> str:
    """Return the interpreter of the environment *name*.

    Raises:
        subprocess.CalledProcessError: if its packages cannot be installed.
    """
    ours = [each for each in requires("learning_instrument") or [] if "extra ==" not in each]
    return str(python_of("clients", name, [*ours, *ENVIRONMENTS[name]]))


def run(python: str, client: Client, modes: Sequence[str]) -> dict[str, Any]:
    """Run the client's cells in these modes; return mode -> what was found."""
    second = [client.second]
    cells = {mode: [client.switch, *(second if mode == "twice" else ())] for mode in modes}
    command = [python, "-m", "tests.clients.cell", client.library, json.dumps(cells)]
    done = subprocess.run(command, cwd=ROOT, env=variables(), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        return {mode: {"failed": done.stderr} for mode in modes}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run_all(
    python_for: Mapping[str, str], clients: Sequence[Client], modes: Sequence[str] = MODES
) -> list[tuple[Judged, dict[str, Any]]]:
    """Run the cells of *clients*, two clients at a time, and return each with its judgement."""

    def judged(client: Client) -> list[tuple[Judged, dict[str, Any]]]:
        found = run(python_for[client.environment], client, [mode for mode in client.modes if mode in modes])
        print(f"{client.name}, {client.spans}: {len(found)} cells", file=sys.stderr)
        return [(judge(client, mode, cell), cell) for mode, cell in found.items()]

    with ThreadPoolExecutor(2) as threads:
        return [cell for cells in threads.map(judged, clients) for cell in cells]


def main() -> int:
    """Print the table, and return 1 if a cell is a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__.partition("\n")[0])
    parser.add_argument("--client", action="append", default=[], metavar="TEXT", help="of the name, spans or library")
    parser.add_argument("--mode", action="append", choices=MODES, help="may be repeated (default: all)")
    parser.add_argument("--spans", action="store_true", help="print the spans of what is not equal")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    clients = [client for client in CLIENTS if all(text in " ".join(client[:4]) for text in options.client)]
    python_for = {name: environment(name) for name in dict.fromkeys(client.environment for client in clients)}
    versions = {
        name: json.loads(subprocess.run([python, "-c", _VERSIONS], capture_output=True, check=True).stdout)
        for name, python in python_for.items()
    }
    modes = options.mode or MODES
    found = run_all(python_for, clients, modes)
    drawn = table([judged for judged, _ in found], versions)
    print(drawn)
    faults = [(judged, cell) for judged, cell in found if judged.verdict == FAULT]
    for judged, cell in found if options.spans else faults:
        print(f"\n{judged.client.name}, {judged.client.spans}, {judged.mode}: {judged.verdict}: {judged.why}")
        if options.spans:
            print(*(f"    {span}" for span in cell.get("spans", ())), sep="\n")
    if options.write:
        write(drawn)
    return 1 if faults else 0


def write(drawn: str) -> None:
    """Put the table between the marks of the page."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{drawn}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
