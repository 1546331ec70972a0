"""Run the pools of real libraries, and compare the rows that are due with those recorded.

python -m tests.pools                      all libraries, in environments that it makes
python -m tests.pools --library rq         one of them; may be repeated
python -m tests.pools --pool loky          the pools whose name has this text
python -m tests.pools --here               in this environment
python -m tests.pools --write              put the table into docs/reference/pools.md
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import requires
from typing import Any, Final

from learning_instrument.testing.adapter_check import CASES

from ..environments import python_of
from ..fresh import ROOT, variables
from .matrix import ENVIRONMENTS, LIBRARIES, SERVERS

PAGE: Final = ROOT / "docs" / "reference" / "pools.md"
BEGIN: Final = "<!-- python -m tests.pools --write -->\n"
END: Final = "<!-- end -->\n"
#: A library may start workers and brokers for each case.
_LONGEST_SECONDS: Final = 900


def environment(name: str) -> str:
    """Return the interpreter of the environment *name*.

    Raises:
        subprocess.CalledProcessError: if its packages cannot be installed.
    """
    ours = [each for each in requires("learning_instrument") or [] if "extra ==" not in each]
    # This package, too: commands that a library starts find its entry points.
    return str(python_of("pools", name, [*ours, "pytest", *ENVIRONMENTS[name]], ["--editable", str(ROOT)]))


def run(python: str, library: str, *options: str) -> dict[str, Any]:
    """Run the pools of *library*: :mod:`.cell` with *options*.

    Returns:
        What :mod:`.cell` prints, ``{"failed": its standard error}``, or ``{"skipped": why}``.
    """
    server = SERVERS.get(library)
    if server is not None and shutil.which(server) is None:
        return {"skipped": f"{library} is left out: {server} is not installed."}
    command = [python, "-m", "tests.pools.cell", library, *options]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=variables(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_LONGEST_SECONDS,
        )
    except subprocess.TimeoutExpired as expired:
        return {"failed": f"{expired}\n{expired.stderr!r}"}
    if done.returncode:
        return {"failed": done.stderr}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def faults_of(found: dict[str, Any]) -> list[str]:
    """Return what is wrong in what :func:`run` found, a line for each."""
    if "failed" in found:
        return [found["failed"]]
    if "skipped" in found:
        return []
    wrong = [
        f"{pool}, {case}: {problem}"
        for pool, cells in found["pools"].items()
        for case, problems in cells.items()
        for problem in problems
    ]
    return wrong + [f"{name}: {fault}" for name, fault in found["extras"].items() if fault is not None]


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return the table: a row for each pool, a column for each case, and what the adapter adds to a task."""
    lines = [f"| adapter | pool | {' | '.join(CASES)} | adds |", f"|---|---|{'---|' * len(CASES)}---|"]
    for each in found.values():
        for pool, cells in each.get("pools", {}).items():
            marks = ["right" if cells.get(case) == [] else "**wrong**" if case in cells else "-" for case in CASES]
            adds = _added(each.get("costs", {}).get(pool))
            lines.append(f"| `{each['adapters'][pool]}` | {pool} | {' | '.join(marks)} | {adds} |")
    return "\n".join(lines)


def _added(seconds: dict[str, float] | None) -> str:
    if seconds is None:
        return "-"
    more = seconds["with"] - seconds["without"]
    return f"{more * 1e6:.0f} µs to {seconds['without'] * 1e6:.0f} µs"


def run_all(libraries: Sequence[str], *options: str, here: bool = False, at_once: int = 2) -> dict[str, dict[str, Any]]:
    """Run *libraries*, *at_once* of them at a time."""
    names = [] if here else list(dict.fromkeys(LIBRARIES[library] for library in libraries))
    with ThreadPoolExecutor(at_once) as threads:
        pythons = dict(zip(names, threads.map(environment, names), strict=True))
        found = threads.map(lambda each: run(pythons.get(LIBRARIES[each], sys.executable), each, *options), libraries)
        return dict(zip(libraries, found, strict=True))


def main() -> int:
    """Print the table, and return 1 if a cell is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.pools", description=__doc__.partition("\n")[0])
    parser.add_argument("--library", action="append", choices=list(LIBRARIES), help="may be repeated (default: all)")
    parser.add_argument("--pool", default="", metavar="TEXT", help="those whose name has this text")
    parser.add_argument("--here", action="store_true", help="in this environment, which has the libraries")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    libraries = options.library or list(LIBRARIES)
    found = run_all(libraries, options.pool, here=options.here)
    for library, costs in run_all(libraries, options.pool, "--costs", here=options.here, at_once=1).items():
        found[library] |= costs
    drawn = table(found)
    print(drawn, *(each["skipped"] for each in found.values() if "skipped" in each), sep="\n")
    faults = [fault for each in found.values() for fault in faults_of(each)]
    print(*faults, sep="\n")
    if options.write:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{drawn}\n\n{END}{rest.partition(END)[2]}", "utf-8")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
