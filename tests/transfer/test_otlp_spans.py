"""OTLP's JSON as other programs write it gives the same executions and model calls."""

import gzip
import io
import json
import sys

import pyarrow
import pytest
from google.protobuf import json_format

from learning_instrument.errors import ConfigurationError
from learning_instrument.transfer import import_executions

from .live import PRICES, document, message, recorded, tables, written


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """The tables of a live application's database, its spans, and the file of its prices."""
    folder = tmp_path_factory.mktemp("live")
    prices = folder / "prices.toml"
    prices.write_text(PRICES)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LEARNING_INSTRUMENT_PRICES", str(prices))
        spans = recorded(folder / "live.db")
        return tables(folder / "live.db"), spans, str(prices)


@pytest.fixture
def imported(live, tmp_path, monkeypatch):
    """Import bytes, and compare what is stored with the live database; return the answer."""
    expected, _, prices = live
    monkeypatch.setenv("LEARNING_INSTRUMENT_PRICES", prices)

    def imported(content, name="spans"):
        (tmp_path / name).write_bytes(content)
        answer = import_executions(tmp_path / "target.db", [tmp_path / name])
        assert tables(tmp_path / "target.db") == expected
        assert (answer.read, answer.stored, answer.refused, answer.model_calls) == (2, 2, 0, 6)
        return answer

    return imported


def changed(value, change):
    """Return a document with *change* applied to each of its objects, the innermost first."""
    if isinstance(value, dict):
        return change({name: changed(member, change) for name, member in value.items()})
    return [changed(member, change) for member in value] if isinstance(value, list) else value


def renamed(names):
    return lambda found: {names.get(name, name): member for name, member in found.items()}


def pretty(spans):
    return json.dumps(document(spans), indent=2)


def array(spans):
    return json.dumps([document([span]) for span in spans])


def pretty_array(spans):
    return json.dumps([document([span]) for span in spans], indent=4)


def snake_case_with_base64(spans):
    """Protobuf's own JSON, of several lines."""
    return json_format.MessageToJson(message(spans), preserving_proto_field_name=True)


def base64_in_a_line(spans):
    return json_format.MessageToJson(message(spans), indent=None)


def numbers_as_enumerators(spans):
    return json_format.MessageToJson(message(spans), use_integers_for_enums=True)


def trace(spans):
    return json.dumps({"trace": document(spans)})


def tempo(spans):
    """The answer of Tempo's ``/api/traces``: spans grouped by scope, ids in base64."""
    found = json.loads(json_format.MessageToJson(message(spans)))
    return json.dumps({"batches": found["resourceSpans"]})


def tempo_2(spans):
    found = json.loads(json_format.MessageToJson(message(spans)))
    return json.dumps({"trace": {"batches": found["resourceSpans"]}}, indent=2)


def instrumentation_library(spans):
    """The names until OTLP 0.19."""
    names = {"scopeSpans": "instrumentationLibrarySpans", "scope": "instrumentationLibrary"}
    return json.dumps(changed(document(spans), renamed(names)))


def without_top(spans):
    return "\n".join(map(json.dumps, document(spans)["resourceSpans"]))


def with_attributes_without_value(spans):
    def change(found):
        if "traceId" in found:
            more = [{"key": "a"}, {"key": "b", "value": {}}, {"key": "c", "value": None}]
            return {
                **found,
                "attributes": [*more, *found.get("attributes", []), {"key": "d", "value": {"bytesValue": "AA=="}}],
            }
        return found

    return json.dumps(changed(document(spans), change))


def with_integers_as_numbers(spans):
    def change(found):
        return {
            name: int(member) if name in ("intValue", "startTimeUnixNano", "endTimeUnixNano") else member
            for name, member in found.items()
        }

    return json.dumps(changed(document(spans), change))


def with_keys_in_reverse(spans):
    return json.dumps(changed(document(spans), lambda found: dict(reversed(found.items()))), indent=1)


def with_roots_of_zeros(spans):
    def change(found):
        return {"parentSpanId": "0" * 16, **found} if "traceId" in found else found

    return json.dumps(changed(document(spans), change))


FORMS = [
    pretty, array, pretty_array, snake_case_with_base64, base64_in_a_line, numbers_as_enumerators, trace, tempo,
    tempo_2, instrumentation_library, without_top, with_attributes_without_value, with_integers_as_numbers,
    with_keys_in_reverse, with_roots_of_zeros,
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_stored(live, imported, form):
    assert imported(form(live[1]).encode()).omitted == {"spans of other scopes": 4}


def test_lines_of_a_log_are_passed_over(live, imported):
    """Before, between and after the requests; they are counted."""
    log = "2026-11-22T10:00:00Z INFO starting"
    lines = [*[log] * 25, json.dumps(document(live[1][:4])), "[collector] ready", pretty(live[1][4:]), "Traceback:"]

    answer = imported("\n".join(lines).encode())

    assert answer.omitted == {"lines that are not JSON": 27, "spans of other scopes": 4}


def test_log_in_json_is_passed_over(live, imported):
    """As a collector can write it, however long."""
    log = [json.dumps({"level": "info", "timestamp": "2026-11-22T10:00:00Z", "trace": {"id": 1}})] * 1500

    answer = imported("\n".join([*log, json.dumps(document(live[1])), *log]).encode())

    assert answer.omitted == {"JSON objects that are not executions": 3000, "spans of other scopes": 4}


def test_scope_that_is_missing_is_another(live, tmp_path):
    found = changed(document(live[1]), lambda each: {name: member for name, member in each.items() if name != "scope"})

    answer = import_executions(tmp_path / "target.db", [written(tmp_path / "spans", found)])

    assert (answer.read, answer.stored, answer.model_calls, answer.omitted) == (0, 0, 6, {"spans of other scopes": 6})


def test_group_in_an_unknown_form_is_named(tmp_path):
    groups = [{"resource": {}, "futureSpans": [{}]}, {"resource": {}, "scopeSpans": []}, {"resource": {}}]

    answer = import_executions(tmp_path / "target.db", [written(tmp_path / "spans", {"resourceSpans": groups})])

    assert (answer.read, answer.omitted) == (0, {"groups of spans in an unknown form": 1})


# Compressed, and in other encodings.


def zstandard(text):
    return pyarrow.compress(text, "zstd", asbytes=True)


def of_the_file_exporter(text):
    """A collector's file exporter writes the length of each compressed message before it."""
    messages = [zstandard(line) for line in text.split(b"\n")]
    return b"".join(len(each).to_bytes(4, "big") + each for each in messages)


ENCODINGS = {
    "gzip": gzip.compress,
    "gzip of two members": lambda text: gzip.compress(text[:100]) + gzip.compress(text[100:]),
    "zstd": zstandard,
    "zstd of two frames": lambda text: zstandard(text[:100]) + zstandard(text[100:]),
    "zstd of the file exporter": of_the_file_exporter,
    "gzip of UTF-16": lambda text: gzip.compress(text.decode().encode("utf-16")),
    "UTF-8 with a mark": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "UTF-16-LE": lambda text: text.decode().encode("utf-16-le"),
    "UTF-16-BE": lambda text: b"\xfe\xff" + text.decode().encode("utf-16-be"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encoding_is_told_by_the_first_bytes(live, imported, encoding):
    """Not by the file's name."""
    text = "\n".join(json.dumps(document([span])) for span in live[1]).encode()

    imported(ENCODINGS[encoding](text))


def test_compressed_pipe_is_read(live, imported, tmp_path, monkeypatch):
    """Of the standard input as well."""
    content = io.BytesIO(gzip.compress(pretty(live[1]).encode()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    target = tmp_path / "stdin.db"
    assert import_executions(target, ["-"]).stored == 2
    assert tables(target) == live[0]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard])
def test_damaged_compressed_data_is_an_error(live, tmp_path, compress):
    content = compress(pretty(live[1]).encode())
    (tmp_path / "cut").write_bytes(content[:-40])

    with pytest.raises(ConfigurationError, match=r"cut: its compressed data is damaged or cut"):
        import_executions(tmp_path / "target.db", [tmp_path / "cut"])


def test_zstandard_without_pyarrow_names_the_remedy(live, tmp_path, monkeypatch):
    (tmp_path / "spans").write_bytes(zstandard(b"{}"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'learning_instrument\[scale\]'"):
        import_executions(tmp_path / "target.db", [tmp_path / "spans"])
