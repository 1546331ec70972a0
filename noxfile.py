"""The checks, each in an environment of its own.

nox                                       lint, types, docs, and the tests on each Python of this machine
nox -s tests-3.12 -- -x tests/storage     one of them; what follows -- goes to pytest
nox -s lint -- --fix                      mend what can be mended
nox --list                                which there are
"""

import os
import re
from pathlib import Path

import nox

nox.needs_version = ">=2025.11.12"
nox.options.sessions = ["lint", "types", "docs", "tests"]
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT, max_version="3.14")


def find_pythons_of_pyenv() -> None:
    """Append the Pythons of pyenv to PATH, the newest first: its shims lead to those that are switched on only."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = sorted(
        pyenv.glob("versions/3.*/bin"),
        key=lambda folder: [int(number) for number in re.findall(r"\d+", folder.parent.name)],
        reverse=True,
    )
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, folders)])


find_pythons_of_pyenv()


def group(*names: str) -> tuple[str, ...]:
    """Return what the dependency groups *names* need, for pips that have no ``--group``."""
    return nox.project.dependency_groups(PROJECT, *names)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, spelling and pyproject.toml."""
    session.install(*group("lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", *([] if "--fix" in session.posargs else ["--check"]))
    session.run("codespell")
    session.run("validate-pyproject", "pyproject.toml")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package, the examples, and the uses that only a type checker reads."""
    session.install("--editable", ".[test]", *group("types"))
    session.run("mypy", "--strict", "learning_instrument", "examples", "tests/typing", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation in docs/_build; a warning is an error."""
    session.install("--editable", ".[scale]", *group("docs"))
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", "docs", "docs/_build")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the default tests."""
    session.install("--editable", ".[test]")
    session.run("python", "-m", "pytest", "-m", "not slow", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the slow tests, with the libraries of others that they try."""
    session.install("--editable", ".[test]", *group("integration", "types"))
    session.run("python", "-m", "pytest", "-m", "slow", *session.posargs)


@nox.session
def oracles(session: nox.Session) -> None:
    """Compare our statistics with those of scipy and statsmodels, and let pandas take our answers."""
    session.install("--editable", ".[test]", *group("oracles"))
    tests = ("tests/analytics/test_effects.py", "tests/analytics/test_pandas.py")
    session.run("python", "-m", "pytest", "-m", "slow", *tests, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what recording costs, beside other libraries; what follows ``--`` says which parts."""
    session.install("--editable", ".[test]", *group("bench"))
    session.run("python", "-m", "tests.benchmarks", *session.posargs)
