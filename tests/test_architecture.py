"""Who may import whom, what an import costs, and which names are promised."""

import ast
import functools
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import learning_instrument
from learning_instrument import fleet, semconv

PACKAGE = Path(learning_instrument.__file__).parent

#: Each room (a folder, or a file beside them) and the rooms it may import from, at any time. Only from those above it.
MAY_IMPORT = {
    "adapters": "",
    "errors": "",
    "formatting": "",
    "message_templates": "",
    "outcome": "",
    "safety": "",
    "semconv": "",
    "version": "",
    "atomic_file": "errors safety",
    "columns": "outcome semconv",
    "budgets": "errors columns",
    "ids": "safety",
    "timestamps": "errors",
    "record_values": "errors outcome safety columns",
    "record": "errors ids outcome safety semconv columns timestamps record_values",
    # Runs inside other people's tasks.
    "recording": "errors message_templates ids outcome safety semconv columns",
    # Stores and answers; never runs a task's code.
    "sqlite": "atomic_file errors safety columns record timestamps",
    "costs": "errors ids safety semconv columns budgets record timestamps sqlite",
    "rollups": "message_templates safety sqlite",
    "analytics": "errors formatting message_templates safety columns budgets record timestamps sqlite costs rollups",
    "storage": "errors columns ids safety record timestamps recording sqlite costs rollups",
    "database": "errors safety record sqlite rollups analytics storage",
    # Where spans go.
    "pipeline": "errors ids safety semconv version budgets record recording costs storage database",
    "transfer": "atomic_file errors ids message_templates safety semconv version columns record timestamps sqlite costs"
    " rollups storage database",
    "fleet": "errors message_templates semconv version columns record timestamps sqlite costs rollups analytics storage"
    " database transfer",
    "dashboard": "errors formatting outcome safety semconv columns record timestamps sqlite analytics storage"
    " database fleet pipeline",
    "configuration": "errors safety budgets recording sqlite costs storage database pipeline",
    "instrumentation": "adapters errors safety budgets timestamps recording sqlite storage database pipeline"
    " configuration",
    # The ways in: at a terminal, around a pool, in a test.
    "maintenance": "errors outcome safety columns budgets ids timestamps record sqlite costs rollups analytics storage"
    " database pipeline transfer instrumentation",
    "cli": "errors formatting safety columns budgets timestamps record sqlite costs analytics fleet storage database"
    " pipeline dashboard transfer instrumentation maintenance",
    "testing": "adapters safety record recording database configuration sqlite analytics instrumentation",
}
#: Packages of others, and the rooms or files that may import them.
ONLY_IN = {
    "sqlite3": "sqlite maintenance/recovery.py"
    " storage/background_work.py storage/file_care.py storage/insertion.py storage/store.py",
    "sqlite_utils": "sqlite/first_migrations.py sqlite/migrations.py sqlite/schema.py",
    "opentelemetry.sdk": "configuration.py costs/model_calls.py costs/span_sorter.py fleet/scratch.py"
    " fleet/trace_spans.py pipeline record.py transfer/call_import.py transfer/otlp_spans.py transfer/sources.py",
    "sqlglot": "fleet/dialect.py",
    "genai_prices": "",  # by its name, when the first call is priced
    "clickhouse_connect": "",  # by its name, when the first fleet is asked
    "click": "cli",
    "rich": "cli/progress.py cli/rendering.py cli/tables.py dashboard/top",
    "textual": "dashboard/top",
    "pytest": "testing/__init__.py",
    "datasette": "dashboard/datasette_plugin.py",
    "pluggy": "dashboard/datasette_plugin.py",
}

FILES = dict.fromkeys(sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")))


def room_of(file):
    return file.parts[0].removesuffix(".py")


@functools.cache
def nodes_of(file):
    return [*ast.walk(ast.parse((PACKAGE / file).read_text()))]


@functools.cache
def imports_of(file):
    return [node for node in nodes_of(file) if isinstance(node, (ast.Import, ast.ImportFrom))]


@functools.cache
def ours(file):
    """Return the files of ours that *file* imports, wherever in it."""
    found = set()
    for node in imports_of(file):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = Path(*file.parts[: len(file.parts) - node.level])
            folder /= Path(*(node.module or "").split("."))
            for name in node.names:
                module = folder.parent / f"{folder.name}.py"
                for candidate in (
                    folder / f"{name.name}.py",
                    folder / name.name / "__init__.py",
                    module,
                    folder / "__init__.py",
                ):
                    if candidate in FILES:
                        found.add(candidate)
                        break
    return found - {file}


def others(file):
    """Return the dotted names of what others made that *file* imports, wherever in it."""
    names = set()
    for node in imports_of(file):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def rooms_imported_by(room):
    """Return the other rooms that the files of *room* import from."""
    files = [file for file in FILES if room_of(file) == room]
    return {room_of(imported) for file in files for imported in ours(file)} - {room}


def test_every_room_is_in_the_table():
    """A new one has its place from the start, and the first listing stays short."""
    assert {room_of(file) for file in FILES} - {"__init__", "__main__"} == set(MAY_IMPORT)
    assert len([entry for entry in PACKAGE.iterdir() if entry.name != "__pycache__"]) <= 34


def test_imports_are_those_of_the_table(subtests):
    """No more, none left over in the table, and none of a room below."""
    for room in MAY_IMPORT:
        with subtests.test(room=room):
            above = list(MAY_IMPORT)[: list(MAY_IMPORT).index(room)]

            assert rooms_imported_by(room) == set(MAY_IMPORT[room].split())
            assert rooms_imported_by(room) <= set(above)


def test_there_is_no_circle_among_files():
    """Each file can be read after those that it imports, those within functions included."""
    waiting = {file: ours(file) for file in FILES if file != Path("__init__.py")}
    while waiting:
        ready = {file for file, imported in waiting.items() if not imported & waiting.keys()}
        assert ready, f"a circle among {sorted(map(str, waiting))}"
        waiting = {file: imported for file, imported in waiting.items() if file not in ready}


def test_floors_of_the_dashboard_import_from_those_below(subtests):
    """What is drawn knows no page, and no page the server that sends it."""
    floors = ["charts", "sections", "pages", "serving"]
    for number, floor in enumerate(floors):
        with subtests.test(floor=floor):
            files = [file for file in FILES if file.parts[:2] == ("dashboard", floor)]
            imported = {found.parts[1] for file in files for found in ours(file) if found.parts[0] == "dashboard"}

            assert imported & {*floors} <= {*floors[: number + 1]}


def test_packages_of_others_stay_in_their_rooms(subtests):
    """What runs inside tasks knows neither SDK nor SQLite."""
    for package in ONLY_IN:
        with subtests.test(package=package):
            users = {
                file.as_posix()
                for file in FILES
                if any(name == package or name.startswith(f"{package}.") for name in others(file))
            }
            allowed = ONLY_IN[package].split()

            assert {user for user in users if not any(f"{user}/".startswith(f"{place}/") for place in allowed)} == set()
            assert {
                place for place in allowed if not any(f"{user}/".startswith(f"{place}/") for user in users)
            } == set()


def test_two_modules_open_files_of_sqlite():
    """One to write, one to read; a third has an index in memory, and no file."""
    callers = {
        file.as_posix()
        for file in FILES
        for node in nodes_of(file)
        if isinstance(node, ast.Attribute) and node.attr == "connect" and ast.unparse(node) == "sqlite3.connect"
    }

    assert callers == {"sqlite/opening.py", "sqlite/read_only.py", "sqlite/words_in_memory.py"}


@pytest.mark.parametrize(
    "statement",
    [
        "import learning_instrument",
        "from learning_instrument import record_execution",
        "from learning_instrument import current_execution, ErrorType",
        "import learning_instrument; learning_instrument.record_execution(lambda task: None)({})",
        "import learning_instrument.fleet.address",
    ],
)
def test_import_is_light(statement):
    """What a decorated pool imports has no SQLite, no SDK and no terminal in it, nor has the folder of the fleet."""
    heavy = "sqlite3 sqlite_utils click rich opentelemetry.sdk clickhouse_connect sqlglot"
    program = f"{statement}\nimport sys\nprint(*[name for name in {heavy.split()} if name in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []


PROMISED = {
    "Budget",
    "BudgetExceeded",
    "ErrorType",
    "Outcome",
    "ExecutionRecord",
    "LearningDatabase",
    "PoolInstrumentor",
    "SQLiteSpanExporter",
    "configure",
    "current_execution",
    "observe_pool",
    "record_execution",
    "shutdown",
}


def test_exported_names_are_the_promised_ones():
    """Sorted, importable, and shown by ``dir``."""
    assert learning_instrument.__all__ == sorted(PROMISED)
    for name in learning_instrument.__all__:
        assert getattr(learning_instrument, name).__module__.startswith("learning_instrument.")
    assert set(learning_instrument.__all__) <= set(dir(learning_instrument))


def test_names_of_the_fleet_are_what_they_say():
    """Also after what a module has was imported from it, which would hide a function of its name."""
    for path in (PACKAGE / "fleet").glob("*.py"):
        importlib.import_module(f"learning_instrument.fleet.{path.stem}")

    assert [name for name in fleet.__all__ if getattr(fleet, name).__name__ != name] == []


@pytest.mark.parametrize("package", [learning_instrument, fleet])
def test_other_names_are_an_attribute_error(package):
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = package.nonsense


def test_attribute_keys_are_those_of_the_design():
    """Ours under our prefix; OpenTelemetry's own where one exists."""
    names = """
        task.id task.type task.description task.repo task.file_count task.estimated_tokens task.complexity_score
        task.attempt task.outcome task.outcome_source task.duration error.kind error.message
        model.tier pool.type pool.id worker.id swarm.topology
        routing.confidence quality.score cost.estimate cost.actual queue.duration wait.duration batch.id
        parent.execution_id resource_usage.memory.peak resource_usage.cpu.time solution.summary metadata defaulted
        execution.id record
    """
    theirs = """
        error.type gen_ai.request.model gen_ai.usage.input_tokens gen_ai.usage.output_tokens code.function.name
        service.name process.pid exception exception.type exception.message exception.stacktrace _OTHER
    """
    of_model_calls = """
        gen_ai.operation.name gen_ai.response.model gen_ai.provider.name gen_ai.system gen_ai.token.type
        gen_ai.usage.prompt_tokens gen_ai.usage.completion_tokens
        gen_ai.usage.cache_read.input_tokens gen_ai.usage.cache_creation.input_tokens
        gen_ai.usage.cache_read_input_tokens gen_ai.usage.cache_creation_input_tokens
        gen_ai.cost.total_cost gen_ai.usage.cost operation.cost
        openinference.span.kind llm.model_name embedding.model_name llm.provider llm.system llm.cost.total
        llm.token_count.prompt llm.token_count.completion
        llm.token_count.prompt_details.cache_read llm.token_count.prompt_details.cache_write
    """
    constants = {name: value for name, value in vars(semconv).items() if name.isupper()}
    apart = {constants.pop(name) for name in ("SCOPE_NAME", "SPAN_NAME", "BATCH_SPAN_NAME")}
    metrics = {name: constants.pop(name) for name in list(constants) if name.startswith("METRIC_")}
    assert all(name.startswith("learning_instrument.") for name, unit, description in metrics.values())
    constants.pop("BATCH_SIZE")  # of the batch span, which is no record

    assert apart == {"learning_instrument", "execute_task", "execute_batch"}
    others = {*theirs.split(), *of_model_calls.split()}
    assert set(constants.values()) == {f"learning_instrument.{name}" for name in names.split()} | others
    assert len(set(constants.values())) == len(constants)
