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
    "snapshots": "",
    # The half that runs inside other people's tasks.
    "interruptions": "",
    "reading": "interruptions",
    "plain": "interruptions redaction reading",
    "running": "",
    "fields": "semconv plain",
    "capture": "semconv fields identifiers interruptions outcome plain reading",
    "resources": "",
    "host": "interruptions capture",
    "contexts": "",
    "tracing": "semconv errors fields identifiers interruptions outcome plain capture contexts host resources running",
    "batches": "semconv errors identifiers interruptions outcome plain capture contexts host reading tracing",
    "calls": "batches capture interruptions tracing",
    "routes": "semconv errors interruptions capture host tracing",
    "pool_figures": "capture errors fields plain reading semconv",
    "decorator": "errors batches capture fields plain tracing calls routes",
    "propagation": "identifiers capture contexts",
    "carrying": "semconv capture contexts fields plain tracing calls routes decorator propagation",
    # The half that knows the SDK and SQLite, and never runs a task's code.
    "record": "semconv errors identifiers outcome",
    "model_calls": "semconv record",
    "prices": "errors model_calls",
    "bins": "",
    "rollup_schema": "bins",
    "insight_schema": "",
    "schema": "errors insight_schema rollup_schema",
    "ending": "snapshots",
    "writer": "ending",
    "connection": "errors record schema",
    "retention": "errors connection",
    "attribution": "connection model_calls",
    "totals": "connection model_calls record",
    "call_storage": "attribution connection errors model_calls prices record totals",
    "measures": "",
    "templates": "",
    "moments": "errors",
    "selection": "errors measures",
    "courtesy": "connection",
    "rollups": "bins courtesy measures",
    "search_index": "courtesy",
    # What is asked of the database; and how it learns what it will be asked.
    "analytics": "bins errors measures moments rollups search_index selection templates",
    "error_counts": "courtesy templates",
    "followers": "connection courtesy error_counts rollups search_index",
    "forking": "snapshots",
    "metrics": "forking pool_figures routes running semconv snapshots",
    "lookup": "errors record selection",
    "feedback": "connection errors lookup record redaction selection",
    "processes": "identifiers",
    "ledger": "connection processes record",
    "watcher": "ending forking ledger record running snapshots",
    "counts": "",
    "upkeep": "connection courtesy followers retention",
    "storage": "call_storage connection counts ending errors forking interruptions record retention totals upkeep"
    " watcher writer",
    "database": "counts errors feedback followers record storage",
    "repricing": "database connection model_calls prices totals",
    "budgets": "errors",
    "spending": "budgets connection",
    "admission": "semconv budgets database errors forking host interruptions spending tracing",
    "exporter": "semconv attribution call_storage errors database forking identifiers interruptions model_calls record",
    "provider": "semconv identifiers",
    "processor": "semconv call_storage exporter interruptions model_calls provider running tracing",
    "otlp": "",
    "configuration": "admission budgets capture errors metrics tracing routes database prices retention exporter otlp"
    " provider processor",
    # Beside them, what finds pools and wraps them.
    "targets": "errors",
    "patching": "",
    "pools": "semconv batches calls capture carrying contexts decorator fields patching plain propagation targets"
    " tracing",
    "instrumentor": "configuration decorator errors patching pools targets",
    "testing": "",
    # What a person at a terminal uses.
    "read_only": "connection errors schema",
    "whole_file": "errors",
    "parquet": "errors record whole_file",
    "transfer": "attribution connection database errors exporter feedback followers identifiers model_calls"
    " outcome parquet plain read_only record selection semconv whole_file",
    "pruning": "connection errors followers parquet record retention selection",
    "demo": "database errors identifiers outcome record",
    "doctor": "errors processes read_only schema selection",
    "launch": "errors otlp",
    "cli": "analytics database demo doctor errors feedback launch lookup measures moments prices pruning read_only"
    " record repricing selection transfer",
    "__init__": "budgets configuration database decorator errors exporter instrumentor metrics outcome record tracing",
}
#: Imported where it is needed only: inside a function, or for type checkers.
MAY_IMPORT_LATER = {
    "routes": "admission budgets configuration database metrics",
    "decorator": "budgets database",
    "carrying": "budgets configuration database",
    "database": "analytics",
    "testing": "configuration database record",
}
#: Packages of others, by the half of the house they belong to.
ONLY_IN = {
    "sqlite3": "connection read_only schema storage",
    "sqlite_utils": "insight_schema rollup_schema schema",
    "opentelemetry.sdk": "configuration exporter model_calls processor provider record transfer",
    # By its name, when the first call is priced.
    "genai_prices": "",
    "click": "cli",
    "rich": "cli",
    "pytest": "testing",
}

#: A package counts as one module.
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py")) + sorted(
    path.parent.name for path in PACKAGE.glob("*/__init__.py")
)


def files_of(module):
    package = PACKAGE / module
    return sorted(package.rglob("*.py")) if package.is_dir() else [PACKAGE / f"{module}.py"]


def trees_of(module):
    return [(ast.parse(path.read_text()), len(path.relative_to(PACKAGE).parts)) for path in files_of(module)]


def at_once(module):
    """Return what is imported when the module is, and how deep below the top folder that is said."""
    return [
        (node, depth)
        for tree, depth in trees_of(module)
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]


def anywhere(module):
    return [
        (node, depth)
        for tree, depth in trees_of(module)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]


def ours(imports):
    """Return the modules of ours among *imports*, other than those of the same package."""
    relative = [node for node, depth in imports if isinstance(node, ast.ImportFrom) and node.level == depth]
    groups = [[node.module] if node.module else [alias.name for alias in node.names] for node in relative]
    return {name.split(".")[0] for group in groups for name in group}


def others(imports):
    """Return the dotted names of what others made among *imports*."""
    names = set()
    for node, _ in imports:
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
    allowed = set(MAY_IMPORT[module].split())
    later = set(MAY_IMPORT_LATER.get(module, "").split())
    if module == "__init__":  # it imports lazily, all of them
        assert ours(anywhere(module)) == allowed
        assert ours(at_once(module)) == set()
        return

    assert ours(at_once(module)) == allowed
    assert ours(anywhere(module)) - allowed == later


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
        if any(name == package or name.startswith(f"{package}.") for name in others(anywhere(module)))
    }

    assert users == set(ONLY_IN[package].split())


def test_only_one_file_opens_sqlite():
    """``connect(`` is called in one place."""
    callers = {
        module
        for module in MODULES
        for tree, _ in trees_of(module)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sqlite3.connect"
    }

    assert callers == {"connection"}


@pytest.mark.parametrize(
    "statement",
    [
        "import learning_instrument",
        "from learning_instrument import record_execution",
        "from learning_instrument import current_execution; from learning_instrument import ErrorType",
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
    "Budget",
    "BudgetExceeded",
    "ErrorType",
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
        resource_usage.memory.peak resource_usage.cpu.time solution.summary metadata defaulted execution.id record
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
