"""The reference names what the code has: no column, variable, key, metric, step or argument is missing or invented."""

import ast
import contextlib
import dataclasses
import inspect
import re
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path

import pytest
from sqlite_utils import Database
from test_architecture import MAY_IMPORT, ONLY_IN

import learning_instrument
from learning_instrument import analytics, errors, fleet, maintenance, outcome, semconv, transfer
from learning_instrument.columns import COLUMN_OF, TABLE, Kind
from learning_instrument.costs import model_calls, usage
from learning_instrument.costs.vocabularies import VOCABULARIES
from learning_instrument.instrumentation import options
from learning_instrument.instrumentation.adapters import MODULES, adapter_of
from learning_instrument.instrumentation.pool_libraries import WITHOUT_ADAPTER
from learning_instrument.maintenance.doctor.clients import CLIENTS
from learning_instrument.outcome import ErrorType, Outcome
from learning_instrument.pipeline import metrics as pipeline_metrics
from learning_instrument.pipeline.metrics import DURATION_BUCKETS, MOST_VALUES
from learning_instrument.pipeline.pool_gauges import FIGURES
from learning_instrument.recording import capture, exception_events, guesses, judging, unmatched_fields
from learning_instrument.recording.fields import FIELDS, SETTABLE
from learning_instrument.safety import sanitize
from learning_instrument.sqlite import descriptions
from learning_instrument.sqlite.migrations import STEPS
from learning_instrument.storage import feedback, watchdog
from learning_instrument.storage.background_writer import CAPACITY, CROWDED
from learning_instrument.storage.feedback import Feedback
from learning_instrument.storage.statistics import Statistics

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "learning_instrument"
REFERENCE = ROOT / "docs" / "reference"


def page(name):
    return (REFERENCE / f"{name}.md").read_text("utf-8")


def table(text, heading):
    """Return the rows of the table whose heading line begins with *heading*, as lists of cells."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


_TYPES = {
    Kind.TEXT: "text", Kind.WORD: "word", Kind.TIMESTAMP: "time", Kind.INTEGER: "integer", Kind.REAL: "real",
    Kind.BOOLEAN: "0 or 1", Kind.OBJECT: "JSON object", Kind.NAMES: "JSON array",
}  # fmt: skip


def test_sources_of_costs_are_those_of_the_code():
    """Each is explained in one table, and named with the column."""
    explained = table((ROOT / "docs" / "explanation" / "costs.md").read_text("utf-8"), "`cost_source`")
    sources = [
        model_calls.REPORTED,
        model_calls.PRICED,
        model_calls.PARTIAL,
        model_calls.ESTIMATED,
        model_calls.UNPRICED,
    ]

    assert [name for row in explained for name in names(row[0])] == sources
    assert [names(row[3]) for row in table(page("columns"), "column") if names(row[0]) == ["cost_source"]] == [sources]


def test_columns_are_those_of_the_table():
    """With type, range, default and attribute key."""
    rows = table(page("columns"), "column")

    assert [names(row[0]) for row in rows] == [[column.name] for column in TABLE]
    for (_, _, kind, _, range_, missing, attribute), column in zip(rows, TABLE, strict=True):
        assert kind.removesuffix(", unique") == _TYPES[column.kind], column.name
        assert names(attribute) == ([] if column.key is None else [column.key]), column.name
        assert missing.endswith("marked") == (
            column.default is not None or column.name in ("task_id", "cost_estimate", "duration_seconds")
        ), column.name
        if column.default is not None:
            assert missing == f"{_shown(column.default)}, marked", column.name
        if column.high in (1.0, 5, 100.0):
            assert range_ == f"{column.low:g} to {column.high:g}", column.name


def _shown(default):
    if isinstance(default, str):
        return f"`{default}`" if default else "empty"
    return str(default)


def test_lengths_and_times_are_those_of_the_code():
    """Those of texts, of metadata, of feedback and of the crash ledger."""
    text = " ".join(page("columns").split())

    for column in TABLE:
        if column.name in ("task_description", "error_message", "solution_summary"):
            before = rf"\| `{column.name}` \|(?:[^|]*\|){{2}}[^|]*"
            assert re.search(rf"{before}cut to {column.limit:,} characters", text), column.name
    longest, items, depth = sanitize._BUDGETS[0]
    assert f"a text is cut to {longest:,} characters, a list or mapping to {items} items" in text
    assert f"deeper nesting than {depth} levels" in text
    assert text.count(f"{capture.METADATA_LIMIT:,} bytes") == 2
    assert f"text, redacted, then cut to {feedback._COMMENT_CHARACTERS:,} characters" in text
    assert f"the author or tool, cut to {feedback._SOURCE_CHARACTERS} characters" in text
    assert text.count(f"as its span has it, cut to {usage.TEXT_LIMIT} characters") == 3
    assert f"finds nothing in {unmatched_fields.ENOUGH} executions" in text
    assert f"last heard of; renewed every {watchdog._HEARTBEAT_SECONDS:g} seconds" in text


def test_lines_that_switch_on_clients_are_those_of_doctor():
    """What is installed, and what is called, for each of its clients."""
    text = (ROOT / "docs" / "how-to" / "model-calls.md").read_text("utf-8")
    rows = {client: (names(install), names(line)[:1]) for client, install, line in table(text, "client")}

    for client in CLIENTS:
        assert rows[client.name] == ([client.needs] * bool(client.needs), [client.line] * bool(client.line))


def test_a_missing_value_has_no_attribute(provider, exporter):
    """Whether the column is NULL or holds a default; only the id of the task is made."""
    learning_instrument.record_execution(lambda task: None, tracer_provider=provider)({})

    (span,) = exporter.get_finished_spans()
    marked = set(span.attributes[semconv.DEFAULTED])
    with_attribute = {column.name for column in TABLE if column.key in span.attributes}
    assert marked & with_attribute == {"task_id"}


def test_common_names_are_those_of_the_fields():
    """Column for column, in the order of reading."""
    found = {
        column: (names(in_task), names(in_result))
        for columns, in_task, in_result, _ in table(page("columns"), "column | in the task")
        for column in names(columns)
    }

    assert found == {
        field.column: (list(field.guessed_in_task), list(field.guessed_in_result))
        for field in FIELDS
        if field.guessed_in_task or field.guessed_in_result
    }
    assert f"at most {guesses.MOST_TYPES:,} different ones" in page("columns")


def test_settable_columns_are_named():
    """Those that ``fields`` and ``set()`` take."""
    (listed,) = re.findall(
        r"^`fields` and `current_execution.*?take these columns(.*?)`set\(\)`\s+takes\s+precedence",
        page("columns"),
        re.S | re.M,
    )

    assert [name for name in names(listed) if name in COLUMN_OF] == sorted(SETTABLE)


def test_reasons_of_losses_are_those_of_the_code():
    """Each in the table."""
    source = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    reasons = set(re.findall(r"\.(?:lose|count_lost)\(\s*\"([^\"]+)\"", source))

    assert {name for row in table(page("columns"), "reason") for name in names(row[0])} == reasons


def test_vocabularies_of_model_calls_are_those_of_the_code():
    """Those with an attribute that says what a span is, in the order in which they are asked."""
    listed = re.findall(r"^\| ([^|`]+) \| `([^`]+)` \|$", page("model-calls"), re.MULTILINE)

    assert [row for row in listed if row[0] in {row.name for row in VOCABULARIES}] == [
        (row.name, row.kind) for row in VOCABULARIES if row.kind
    ]


def test_attributes_of_all_vocabularies_are_those_of_the_code():
    """For each field of each vocabulary, in the order in which they are read."""
    (section,) = re.findall(r"<!-- vocabularies -->\n(.*?)<!-- end of vocabularies -->", page("model-calls"), re.DOTALL)

    assert section.strip() == "\n".join(
        ["| vocabulary | field | attributes |", "|---|---|---|"]
        + [
            f"| {row.name} | {field.replace('_', ' ')} | {', '.join(f'`{key}`' for key in keys)} |"
            for row in VOCABULARIES
            for field, keys in row.keys.items()
        ]
    )


@pytest.mark.parametrize("name", ["model_calls", "feedback", "losses", "running", "reported_costs"])
def test_other_tables_have_the_columns_that_are_named(database, name):
    """All of them, and no others."""
    (section,) = re.findall(rf"^## {name}\n(.*?)(?=^## )", page("columns"), re.S | re.M)
    cells = [row[0] for row in table(section, "field")]
    stored = {row["name"] for row in database.query("SELECT name FROM pragma_table_info(?)", [name])}

    assert {found for cell in cells for found in names(cell)} == stored


def test_views_are_those_of_the_file(database):
    """With their figures."""
    described = {names(view)[0]: names(key) for view, _, key, _ in table(page("columns"), "view")}
    figures = {name for row in table(page("columns"), "figure") for name in names(row[0])}
    views = {row["name"] for row in database.query("SELECT name FROM sqlite_master WHERE type = 'view'")}

    assert set(described) == views
    for view, key in described.items():
        stored = [row["name"] for row in database.query("SELECT name FROM pragma_table_info(?)", [view])]
        assert stored[: len(key)] == key
        assert set(stored[len(key) :]) <= figures


def test_meanings_are_those_that_other_programs_show(database):
    """Of each table, view and column of a new file, in the same words; and what is not described is private."""
    text = page("columns")
    plain = str.maketrans("", "", "`")
    sections = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=\n## )", text, re.S | re.M))
    in_sections = {
        name: {names(row[0])[0]: row[1].translate(plain) for row in table(sections[name], "field")}
        for name in sections.keys() & descriptions.TABLES.keys()
        if name != "executions"
    }
    in_sections["executions"] = {names(row[0])[0]: row[1].translate(plain) for row in table(text, "column")}
    figures = {names(row[0])[0]: row[1].translate(plain) for row in table(text, "figure")}
    views = {names(row[0])[0]: row[1] for row in table(text, "view")}
    tables = {name: " ".join(sections[name].translate(plain).split()) for name in in_sections}

    assert {name: meaning for name, meaning in descriptions.TABLES.items() if name in views} == views
    assert [name for name in tables if not tables[name].startswith(descriptions.TABLES[name])] == []
    for name, meanings in in_sections.items():
        assert descriptions.COLUMNS[name] == meanings, name
    for row in database.query("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"):
        stored = {each["name"] for each in database.query("SELECT name FROM pragma_table_info(?)", [row["name"]])}
        if row["name"] in views:
            described = descriptions.COLUMNS[row["name"]]
            assert stored <= described.keys()
            assert {name: described[name] for name in stored & figures.keys()} == {
                name: figures[name] for name in stored & figures.keys()
            }
        elif row["name"] in in_sections:
            assert stored == in_sections[row["name"]].keys()
        else:
            assert row["name"].startswith(descriptions.PRIVATE), row["name"]
    (private,) = re.findall(r"^## Private tables\n\n(.*?) serve", text, re.S | re.M)
    assert {name.rstrip("*") for name in names(private)} == set(descriptions.PRIVATE)


def test_every_table_of_the_file_is_named_or_private(database):
    """By the beginning of its name."""
    stored = {row["name"] for row in database.query("SELECT name FROM sqlite_master WHERE type = 'table'")}
    described = set(re.findall(r"^## (\w+)$", page("columns"), re.M))
    private = re.findall(r"`([\w*]+)`", page("columns").partition("## Private tables")[2])

    assert [
        name
        for name in stored - described
        if not any(re.fullmatch(pattern.replace("*", r"\w*"), name) for pattern in private)
        and not name.startswith("sqlite_")
    ] == []


def test_variables_are_those_of_the_code():
    """Ours, each in the table."""
    used = {
        name
        for path in PACKAGE.rglob("*.py")
        for name in re.findall(r"\bLEARNING_INSTRUMENT_[A-Z_]+", path.read_text("utf-8"))
    }
    described = {name for row in table(page("configuration"), "variable") for name in names(row[0])}

    assert {name for name in described if name.startswith("LEARNING_")} == used


def test_arguments_of_configure_are_those_of_the_function():
    """In the table."""
    described = {name for row in table(page("configuration"), "argument") for name in names(row[0])}

    assert described == set(inspect.signature(learning_instrument.configure).parameters)


@pytest.mark.parametrize("function", [learning_instrument.record_execution])
def test_keywords_of_the_decorator_are_named(function):
    """On the page of the configuration."""
    section = page("configuration").partition("## Arguments of record_execution")[2]
    keywords = {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind.name == "KEYWORD_ONLY"
    }

    assert keywords <= set(names(section))


def test_attribute_keys_are_those_of_semconv():
    """And so are the keys of model calls."""
    keys = {
        value
        for name, value in vars(semconv).items()
        if name.isupper() and isinstance(value, str) and name not in ("SCOPE_NAME", "SPAN_NAME", "BATCH_SPAN_NAME")
    }
    text = page("spans-and-metrics") + page("model-calls")

    assert {key for key in keys if f"`{key}`" not in text and not key.startswith("exception")} == set()
    described = {name for row in table(text, "attribute") for name in names(row[0])}
    assert described <= keys
    for row in table(text, "metric of"):
        assert set(names(row[1])) <= keys
    for attribute, _, column in table(text, "attribute"):
        for name in names(column):
            (described_column,) = [each for each in TABLE if each.name == name]
            assert described_column.key in (names(attribute)[0], None), name


def test_metrics_are_those_of_semconv():
    """With their units."""
    metrics = {value[0]: value[1] for name, value in vars(semconv).items() if name.startswith("METRIC_")}

    assert {
        names(name)[0]: names(unit)[0] for name, unit, _, _ in table(page("spans-and-metrics"), "metric")
    } == metrics


def test_figures_of_pools_are_those_that_are_read():
    """By all their names."""
    described = [names(row[1]) for row in table(page("spans-and-metrics"), "figure")]

    assert described == [list(figures) for figures in FIGURES.values()]


def test_boundaries_and_limits_of_metrics_are_those_of_the_code():
    """Of histograms, and of values."""
    text = " ".join(page("spans-and-metrics").split())

    assert f"{', '.join(f'{each:g}' for each in DURATION_BUCKETS[:-1])} and {DURATION_BUCKETS[-1]:g} seconds" in text
    assert f"the first {MOST_VALUES} values are kept" in text
    assert f"where {pipeline_metrics._MOST_WAITING:,} wait" in text
    assert f"the innermost {exception_events._STACK_FRAMES} frames" in text
    assert f"at most {4 * judging.MESSAGE_LIMIT:,} characters" in text


def test_words_that_keep_contents_are_those_of_the_code():
    """Beside an empty variable, which is as good as none."""
    (row,) = [row for row in table(page("configuration"), "variable") if "CAPTURE_CONTENT" in row[0]]

    assert {*names(row[2])[1:], ""} == set(options._TRUE_WORDS)


def test_adapters_are_listed():
    """Each of ours, and no other, with what the command says of it."""
    listed = {names(row[0])[0]: row[1] for row in table(page("pools"), "adapter")}

    assert list(listed) == list(MODULES)
    assert listed == {name: adapter_of(name).records for name in MODULES}


def test_libraries_without_an_adapter_are_listed():
    """Each that ``doctor`` names."""
    assert [names(row[0])[0] for row in table(page("pools"), "library")] == list(WITHOUT_ADAPTER)


def test_sizes_of_the_queue_are_those_of_the_writer():
    """At which a call waits, and a row is lost."""
    assert f"the queue holds {CROWDED:,} rows" in page("configuration")
    assert f"the queue holds {CAPACITY:,} rows" in page("configuration")


def test_schema_steps_are_those_of_the_migrations():
    """Numbered as the file is."""
    steps = [row[0] for row in table(page("schema"), "step")]

    assert steps == [f"{number} `{step.__name__}`" for number, step in enumerate(STEPS, 1)]


def test_schema_steps_add_what_is_described():
    """Each table and view that is named is new in its step; public ones are all named."""
    described = set(re.findall(r"^## (\w+)$", page("columns"), re.M)) | {
        names(row[0])[0] for row in table(page("columns"), "view")
    }
    before = set()
    with contextlib.closing(Database(memory=True)) as database:
        for step, (_, adds) in zip(STEPS, table(page("schema"), "step"), strict=True):
            step(database)
            after = {*database.table_names(), *database.view_names()}
            named = set(names(adds)) - COLUMN_OF.keys()

            assert named <= after - before, step.__name__
            assert (after - before) & described <= named, step.__name__
            before = after


def test_outcomes_and_error_types_are_those_of_the_code():
    """Each in the table."""
    rows = table(page("outcomes"), "`outcome`")

    assert [names(row[0]) for row in rows] == [[each.value] for each in Outcome]
    assert {name for row in rows for name in names(row[2])} == {each.value for each in ErrorType}


def test_statuses_are_those_of_the_code():
    """Each word judged as the page says."""
    rows = table(page("outcomes").replace("   |", "|"), "status")

    described = {word: names(outcome)[0] for words, outcome in rows for word in names(words)}
    assert described == {word: ended.value for word, ended in outcome.STATUSES.items()}


def test_endings_are_those_of_the_code():
    """Each exception class of the table, and the retries."""
    rows = [row for row in table(page("outcomes"), "exception") if names(row[0])]
    (retries,) = re.findall(r"^A retry \((.*?)\)", page("outcomes"), re.M)

    described = {name: (names(row[1])[0], *names(row[2])) for row in rows for name in names(row[0])}
    assert described == {
        name: tuple(each.value for each in ending if each is not None) for name, ending in outcome.ENDINGS.items()
    }
    assert set(names(retries)) == outcome.RETRIES


def test_sources_of_outcomes_are_those_of_the_code():
    """And the codes that are failures."""
    rows = table(page("outcomes"), "`outcome_source`")
    first, last = map(int, re.findall(r"a whole number from (\d+) to (\d+) is `failed`", page("outcomes"))[0])

    assert {name for row in rows for name in names(row[0])} == COLUMN_OF["outcome_source"].words
    assert range(first, last + 1) == outcome.FAILURE_CODES


def test_the_api_page_has_every_public_name():
    """Those that are imported when they are used one by one; the rooms by their ``__all__``."""
    text = page("api")

    names = [*learning_instrument.__all__, *fleet.__all__]
    assert [name for name in names if not re.search(rf":: {name}\b", text)] == []
    assert all(f"automodule:: {room.__name__}" in text for room in (analytics, errors, maintenance, transfer))
    exceptions = [name for name, value in vars(errors).items() if isinstance(value, type) and name != "datetime"]
    assert [name for name in exceptions if name not in text] == []


def test_fields_of_what_the_database_returns_are_named():
    """Of statistics and feedback."""
    statistics, feedback = (set(names(row[1])) for row in table(page("api"), "object")[:2])

    assert {field.name for field in dataclasses.fields(Statistics)} <= statistics
    assert {field.name for field in dataclasses.fields(Feedback)} == feedback


def test_entry_points_are_those_of_the_package():
    """Those that it provides."""
    rows = [names(group) + names(name) for group, name, _ in table(page("api"), "group") if names(name)]
    declared = [[each.group, each.name] for each in distribution("learning_instrument").entry_points]

    assert sorted(rows) == sorted(declared)


def test_fixtures_are_those_of_the_plugin():
    """Each in the table."""
    described = {name for row in table(page("api"), "fixture") for name in names(row[0])}
    assert described == set(
        re.findall(r"^@pytest\.fixture\ndef (\w+)", (PACKAGE / "testing" / "__init__.py").read_text("utf-8"), re.M)
    )


# The architecture's page, and what else is explained.


ARCHITECTURE = (ROOT / "docs" / "explanation" / "architecture.md").read_text("utf-8")


def test_import_table_of_the_page_is_the_one_that_is_held():
    """Row by row, in its order."""
    described = {names(room)[0]: set(names(imports)) for room, imports in table(ARCHITECTURE, "room | may import")}

    assert list(described) == list(MAY_IMPORT)
    assert described == {room: set(imports.split()) for room, imports in MAY_IMPORT.items()}


def test_packages_of_others_are_where_the_page_says():
    """And nowhere else."""
    described = {names(row[0])[0]: names(row[1]) for row in table(ARCHITECTURE, "package")}

    for package, places in ONLY_IN.items():
        listed = [place.removesuffix("/") for place in described[package]] if places else []
        assert listed == places.split(), package
    assert set(described) == set(ONLY_IN)


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "explanation").glob("*.md")), ids=lambda path: path.name)
def test_files_that_are_named_exist(path):
    """Of the package, and of the tests that prove something."""
    text = path.read_text("utf-8")
    named = re.findall(r"`((?:[\w]+/)*[\w]+\.py|(?:[\w]+/)+)`", text)

    assert [name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", ["harmless", "lossless", "honest"])
def test_proofs_are_tests_of_the_files_that_are_named(name):
    """Each in the file before it."""
    text = (ROOT / "docs" / "explanation" / f"{name}.md").read_text("utf-8").partition("## How it is proved")[2]
    missing = [
        (file, test)
        for file, tests in re.findall(r"`(tests/[\w/]+\.py)`((?:[:,] `test_\w+`)*)", text)
        for test in names(tests)
        if f"def {test}(" not in (ROOT / file).read_text("utf-8")
    ]

    assert len(table(text, "what")) > 5
    assert missing == []


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("judge_result", "outcome"),
        ("Store.append", "storage.store"),
        ("Insertion.insert", "storage.insertion"),
        ("WriteConnection.insert", "sqlite.connection"),
        ("BackgroundWriter.put", "storage.background_writer"),
        ("Prices.priced", "costs.prices"),
        ("instrument", "instrumentation.rows"),
        ("CrashLedger.enter", "storage.crash_ledger"),
        ("CrashLedger.settle_dead", "storage.crash_ledger"),
    ],
)
def test_answers_to_where_is_name_what_exists(name, where):
    """In the file that the page says."""
    found = import_module(f"learning_instrument.{where}")
    for part in name.split("."):
        found = getattr(found, part)

    assert f"`{name}`" in ARCHITECTURE
    assert f"`{where.replace('.', '/')}.py`" in ARCHITECTURE


def test_parts_of_the_benchmarks_are_those_that_can_be_measured():
    """In the order in which they are."""
    text = (ROOT / "docs" / "explanation" / "performance.md").read_text("utf-8")
    usage = ast.get_docstring(ast.parse((ROOT / "tests" / "benchmarks" / "__main__.py").read_text("utf-8")))

    assert [name for row in table(text, "part") for name in names(row[0])] == re.findall(r"\[(\w+)\]", usage)


def test_picture_shows_the_rooms():
    """Each folder of the package is a box in it."""
    picture = (ROOT / "docs" / "explanation" / "rooms.svg").read_text("utf-8")
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}

    assert set(re.findall(r">(\w+)/<", picture)) == rooms
