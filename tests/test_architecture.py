"""Who may import whom, what an import costs, and which names are promised."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import learning_instrument
from learning_instrument import semconv

PACKAGE = Path(learning_instrument.__file__).parent

#: Each module, and those of ours it may import. An execution travels downwards in this table.
MAY_IMPORT = {
    "semconv": "",
    "errors": "",
    "identifiers": "",
    "outcome": "",
    "redaction": "",
    # The half that runs inside other people's tasks.
    "reading": "",
    "plain": "redaction reading",
    "fields": "semconv plain",
    "capture": "semconv fields identifiers outcome plain reading",
    "tracing": "semconv fields identifiers outcome plain capture",
    "batches": "semconv identifiers outcome plain capture reading tracing",
    "calls": "batches tracing",
    "routes": "semconv errors capture tracing",
    "decorator": "errors batches capture fields plain tracing calls routes",
    # The half that knows the SDK and SQLite, and never runs a task's code.
    "record": "semconv errors identifiers outcome",
    "bins": "",
    "rollup_schema": "bins",
    "insight_schema": "",
    "schema": "errors insight_schema rollup_schema",
    "writer": "",
    "connection": "record schema",
    "retention": "errors connection",
    "measures": "",
    "rollups": "bins connection measures",
    "search_index": "connection",
    # What is asked of the database; and how it learns what it will be asked.
    "analytics": "bins errors measures rollups search_index",
    "error_counts": "analytics connection",
    "followers": "connection error_counts rollups search_index",
    "forking": "",
    "database": "errors forking record retention writer connection",
    "exporter": "semconv errors database record",
    "provider": "semconv identifiers",
    "processor": "exporter",
    "configuration": "errors tracing routes database retention exporter provider processor",
    # Beside them, what finds pools and wraps them.
    "targets": "errors",
    "patching": "",
    "instrumentor": "configuration decorator errors patching targets",
    "__init__": "configuration database decorator exporter instrumentor outcome record tracing",
}
#: Imported where it is needed only: inside a function, or for type checkers.
MAY_IMPORT_LATER = {
    "routes": "configuration database",
    "decorator": "database",
    "database": "analytics followers",
}
#: Packages of others, by the half of the house they belong to.
ONLY_IN = {
    "sqlite3": "connection database error_counts rollups schema",
    "sqlite_utils": "insight_schema rollup_schema schema",
    "opentelemetry.sdk": "configuration exporter processor provider record",
    "click": "",
    "rich": "",
}

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path):
    """Return the module of a file; a package is one, whatever its files are."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted({module_of(path) for path in FILES})


def tree_of(module):
    """Return the source of a module, or of all files of a package, whose imports of each other are left out."""
    body = []
    for path in FILES:
        if module_of(path) == module:
            depth = len(path.relative_to(PACKAGE).parts)
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.level:
                    node.level = max(0, node.level - depth + 1)
            body += tree.body
    return ast.Module(body, [])


def is_for_type_checkers(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def at_once(tree):
    """Yield what is imported when the module is."""
    return [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]


def anywhere(tree):
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]


def ours(nodes):
    """Return the modules of ours among *nodes*."""
    relative = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level]
    groups = [[node.module] if node.module else [alias.name for alias in node.names] for node in relative]
    return {name.split(".")[0] for group in groups for name in group}


def others(nodes):
    """Return the dotted names of what others made among *nodes*."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif not node.level and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def test_every_module_is_in_the_table():
    """A new one has its place from the start."""
    assert set(MODULES) == set(MAY_IMPORT)


@pytest.mark.parametrize("module", MODULES)
def test_imports_are_those_of_the_table(module):
    """No more, and none left over in the table."""
    tree = tree_of(module)
    allowed = set(MAY_IMPORT[module].split())
    later = set(MAY_IMPORT_LATER.get(module, "").split())
    if module == "__init__":  # it imports lazily, all of them
        assert ours(anywhere(tree)) == allowed
        assert ours(at_once(tree)) == set()
        return

    assert ours(at_once(tree)) == allowed
    assert ours(anywhere(tree)) - allowed == later


def test_there_is_no_circle():
    """Each module imports only from those above it in the table."""
    order = list(MAY_IMPORT)

    assert {
        (module, name)
        for module in order
        for name in MAY_IMPORT[module].split()
        if order.index(name) > order.index(module)
    } == set()


@pytest.mark.parametrize("package", ONLY_IN)
def test_heavy_packages_stay_in_their_files(package):
    """The half inside the tasks knows neither SDK nor SQLite."""
    users = {
        module
        for module in MODULES
        if any(name == package or name.startswith(f"{package}.") for name in others(anywhere(tree_of(module))))
    }

    assert users == set(ONLY_IN[package].split())


def test_only_one_file_opens_sqlite():
    """``connect(`` is called in one place."""
    callers = {
        module
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sqlite3.connect"
    }

    assert callers == {"connection"}


@pytest.mark.parametrize(
    "statement",
    [
        "import learning_instrument",
        "from learning_instrument import record_execution",
        "from learning_instrument import current_execution, ErrorType",
        "import learning_instrument; learning_instrument.record_execution(lambda task: None)({})",
    ],
)
def test_import_is_light(statement):
    """What a decorated pool imports has no SQLite, no SDK and no terminal in it."""
    heavy = "sqlite3 sqlite_utils click rich opentelemetry.sdk"
    program = f"{statement}\nimport sys\nprint(*[name for name in {heavy.split()} if name in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []


PROMISED = {
    "ErrorType",
    "ExecutionRecord",
    "LearningDatabase",
    "PoolInstrumentor",
    "SQLiteSpanExporter",
    "configure",
    "current_execution",
    "record_execution",
    "shutdown",
}


def test_exported_names_are_the_promised_ones():
    """Sorted, importable, and shown by ``dir``."""
    assert learning_instrument.__all__ == sorted(PROMISED)
    for name in learning_instrument.__all__:
        assert getattr(learning_instrument, name).__module__.startswith("learning_instrument.")
    assert set(learning_instrument.__all__) <= set(dir(learning_instrument))


def test_other_names_are_an_attribute_error():
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = learning_instrument.nonsense


def test_attribute_keys_are_those_of_the_design():
    """Ours under our prefix; OpenTelemetry's own where one exists."""
    names = """
        task.id task.type task.description task.repo task.file_count task.estimated_tokens task.complexity_score
        task.outcome task.duration error.kind error.message model.tier pool.type pool.id worker.id swarm.topology
        routing.confidence quality.score cost.estimate cost.actual queue.duration batch.id parent.execution_id
        resource_usage.memory.peak resource_usage.cpu.time solution.summary metadata defaulted execution.id
    """
    theirs = """
        error.type gen_ai.request.model gen_ai.usage.input_tokens gen_ai.usage.output_tokens code.function.name
        service.name process.pid exception exception.type exception.message exception.stacktrace
    """
    constants = {name: value for name, value in vars(semconv).items() if name.isupper()}
    apart = {constants.pop(name) for name in ("SCOPE_NAME", "SPAN_NAME", "BATCH_SPAN_NAME")}
    constants.pop("BATCH_SIZE")  # of the batch span, which is no record

    assert apart == {"learning_instrument", "execute_task", "execute_batch"}
    assert set(constants.values()) == {f"learning_instrument.{name}" for name in names.split()} | set(theirs.split())
    assert len(set(constants.values())) == len(constants)
