"""Two releases, each a wheel in its own virtual environment: this tree, and this tree with one more schema step."""

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PACKED = ("learning_instrument", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")

_STEP = '''
def m999_of_newer(db: "Database") -> None:
    """Add a column, and a derived table with a mark of its own."""
    db.execute("ALTER TABLE executions ADD COLUMN of_newer TEXT")
    for statement in (
        "CREATE TABLE newer_counts (task_type TEXT PRIMARY KEY, executions INTEGER NOT NULL)",
        "CREATE TABLE newer_state (mark INTEGER NOT NULL, execution_id TEXT)",
        "INSERT INTO newer_state VALUES (0, NULL)",
        "CREATE TRIGGER newer_after_delete AFTER DELETE ON executions"
        " WHEN old.rowid <= (SELECT mark FROM newer_state) BEGIN"
        " UPDATE newer_counts SET executions = executions - 1 WHERE task_type = old.task_type;"
        f" {MARK_GOES_BACK.format(state='newer_state')}; END",
    ):
        db.execute(statement)


STEPS: Final = ('''
_DERIVED = '''"""How many executions of each task type there are."""

_IS_SOUND = "(mark = 0 OR execution_id = (SELECT e.execution_id FROM executions AS e WHERE e.rowid = mark))"


def advance(target, rows=250):
    ((is_sound, left),) = target.execute(
        f"SELECT {_IS_SOUND}, mark < coalesce((SELECT max(rowid) FROM executions), 0) FROM newer_state"
    )
    if not is_sound:
        reset(target)
        return True
    if not left:
        return False
    with target.transaction() as connection:
        above = connection.execute(
            "SELECT rowid, execution_id, task_type FROM executions WHERE rowid > (SELECT mark FROM newer_state)"
            " ORDER BY rowid LIMIT ?",
            (rows,),
        ).fetchall()
        for _, _, task_type in above:
            connection.execute(
                "INSERT INTO newer_counts VALUES (?, 1) ON CONFLICT DO UPDATE SET executions = executions + 1",
                (task_type,),
            )
        if above:
            connection.execute("UPDATE newer_state SET mark = ?, execution_id = ?", above[-1][:2])
    return len(above) == rows


def reset(target):
    with target.transaction() as connection:
        connection.execute("DELETE FROM newer_counts")
        connection.execute("UPDATE newer_state SET mark = 0, execution_id = NULL")


def lag(target):
    ((count,),) = target.execute("SELECT coalesce((SELECT max(rowid) FROM executions), 0) - mark FROM newer_state")
    return count
'''
#: File -> what the newer release has in the place of what.
_CHANGES = {
    "sqlite/migrations.py": (
        ("\nSTEPS: Final = (", _STEP),
        ("\n)  # fmt: skip\n", "\n    m999_of_newer,\n)  # fmt: skip\n"),
        ('"executions": {', '"executions": {"of_newer": "NULL", '),
    ),
    "rollups/catch_up.py": (
        ("import cubes, error_counts,", "import newer_counts, cubes, error_counts,"),
        ("= (cubes,", "= (newer_counts, cubes,"),
    ),
    "columns.py": (
        ("\n)\n#: The names, in the order", '\n    Column("of_newer", Kind.TEXT),\n)\n#: The names, in the order'),
    ),
    "record.py": (
        (
            "\n    outcome_source: OutcomeSource | None = None",
            "\n    outcome_source: OutcomeSource | None = None\n    of_newer: str | None = None",
        ),
    ),
}


@dataclass(frozen=True)
class Release:
    """An installed release."""

    name: str
    environment: Path

    @property
    def python(self) -> str:
        """The path of its interpreter."""
        return str(self.environment / "bin" / "python")


def install(name: str, folder: Path) -> Release:
    """Build and install the release *name*, ``"older"`` or ``"newer"``, in *folder*."""
    tree, environment = folder / f"{name}-tree", folder / f"{name}-venv"
    tree.mkdir()
    for packed in _PACKED:
        copy = shutil.copytree if (ROOT / packed).is_dir() else shutil.copy
        copy(ROOT / packed, tree / packed)
    if name == "newer":
        _make_newer(tree / "learning_instrument")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / name), cwd=tree)
    (wheel,) = (folder / name).glob("*.whl")
    _run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    release = Release(name, environment)
    places = subprocess.run(
        [release.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    _run(sys.executable, "-m", "pip", "--python", release.python, "install", "--no-deps", "--no-index", str(wheel))
    # The libraries of this environment, after its own; as a plain folder it brings no editable installation along.
    Path(places.stdout.strip(), "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return release


def _make_newer(package: Path) -> None:
    (package / "rollups" / "newer_counts.py").write_text(_DERIVED)
    for name, changes in _CHANGES.items():
        text = (package / name).read_text()
        for old, new in changes:
            before, found, after = text.rpartition(old)
            assert found, f"{name} has no {old!r} any more"
            text = before + new + after
        (package / name).write_text(text)


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)
