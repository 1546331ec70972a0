"""Errors of a connection are one line with the remedy, and values arrive as they were given."""

import http.server
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from learning_instrument.errors import ConfigurationError, DatabaseError
from learning_instrument.fleet import client as client_module
from learning_instrument.fleet import schema
from learning_instrument.fleet.address import Address
from learning_instrument.fleet.client import connect

from . import otel_traces
from .clickhouse_server import PASSWORD, USER

TEXT = 'it\'s \\ "quoted" \t\n\r\x00 é \N{PILE OF POO} {a:String} %s'


@pytest.fixture(params=["server", "engine"])
def either(request, server, address):
    """A client of the server, and one of the engine in this process."""
    with connect(Address.parse(server.address) if request.param == "server" else address) as opened:
        yield opened


def test_values_arrive_as_they_were_given(either):
    """As parameters of a query, and in rows that are inserted."""
    either.execute("CREATE TABLE t (a String, b Nullable(Int64), c Array(String)) ENGINE = MergeTree ORDER BY a")
    either.insert("t", ("a", "b", "c"), [(TEXT, -(2**63), [TEXT]), ("", None, [])])
    either.insert("t", ("a", "b", "c"), [])

    rows = either.rows(
        "SELECT *, {other:Array(Nullable(String))} AS other FROM t WHERE a = {a:String} OR isNull(b) ORDER BY a",
        {"a": TEXT, "other": [TEXT, None]},
    )

    assert rows == [
        {"a": "", "b": None, "c": [], "other": [TEXT, None]},
        {"a": TEXT, "b": -(2**63), "c": [TEXT], "other": [TEXT, None]},
    ]


def test_questions_are_understood_as_sqlite_does(either):
    """A row that a join does not find is NULL, and so is the sum of nothing."""
    (row,) = either.rows(
        "SELECT b.x AS joined, (SELECT sum(1) WHERE 0) AS nothing FROM (SELECT 1 AS x) AS a"
        " LEFT JOIN (SELECT 2 AS x) AS b ON a.x = b.x"
    )

    assert row == {"joined": None, "nothing": None}


def test_threads_share_a_client(either):
    """One asks at a time."""
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(lambda n: either.rows("SELECT {n:Int64} AS n", {"n": n}), range(40))]

    assert found == [[{"n": n}] for n in range(40)]


def test_fleet_is_made_by_way_of_the_server(clickhouse, server):
    """All that init, check and drop do goes over HTTP."""
    otel_traces.create(clickhouse)
    with connect(Address.parse(server.address)) as client:
        schema.init(client)
        schema.init(client)
        schema.check(client)
        assert client.rows("SELECT count() AS n FROM executions") == [{"n": 0}]
        schema.drop(client)

        assert not client.rows("SHOW TABLES LIKE 'learning_instrument%'")


def error_of(question):
    with pytest.raises(DatabaseError) as raised:
        question()
    assert "\n" not in str(raised.value)
    assert PASSWORD not in str(raised.value)
    return str(raised.value)


def test_wrong_password_is_told_with_the_user(server):
    """And not the password."""
    address = Address.parse(server.address)

    message = error_of(lambda: connect(replace(address, password="guess")))

    assert f"refuses the user '{USER}': check user and password" in message
    assert "guess" not in message


def test_unknown_database_is_named(server):
    """With what makes it."""
    address = replace(Address.parse(server.address), database="elsewhere")

    assert "There is no database 'elsewhere'" in error_of(lambda: connect(address))


def test_unknown_database_of_the_engine_is_named(address):
    """The same without a server."""
    assert "There is no database 'elsewhere'" in error_of(lambda: connect(replace(address, database="elsewhere")))


@pytest.mark.parametrize("is_there", [False, True])
def test_folder_without_a_fleet_is_not_made_by_a_question(tmp_path, is_there):
    """Its path may be mistyped."""
    folder = tmp_path / "fleet"
    if is_there:
        folder.mkdir()

    message = error_of(lambda: connect(Address.parse(f"chdb://{folder}")))

    assert message == f"There is no fleet in {folder}: learning-instrument fleet init makes one."
    assert [*tmp_path.glob("**/*")] == [folder] * is_there


def test_folder_that_another_process_has_open_is_told(tmp_path):
    """And with the same words one that may not be written: the engine gives no reason."""
    code = (
        "import sys\n"
        "from learning_instrument.fleet.address import Address\n"
        "from learning_instrument.fleet.client import connect\n"
        "from learning_instrument.errors import DatabaseError\n"
        "try:\n"
        "    with connect(Address.parse(sys.argv[1]), may_make=True) as client:\n"
        "        print('open', client.rows('SELECT 1 AS one'), flush=True)\n"
        "        sys.stdin.read()\n"
        "except DatabaseError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code, f"chdb://{tmp_path / 'fleet'}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "open [{'one': 1}]\n"
        second = subprocess.run(command, input="", capture_output=True, text=True, timeout=60)
        first.communicate("")

    assert second.stdout == (
        f"The engine cannot open the folder {tmp_path / 'fleet'}: it must be writable, and open in no other process.\n"
    )


def test_driver_logs_nothing_beside_the_error_where_no_logs_are_shown():
    """An application without handlers gets the last resort of Python, on standard error."""
    code = (
        "from learning_instrument.errors import DatabaseError\n"
        "from learning_instrument.fleet import FleetDatabase\n"
        "try:\n"
        "    FleetDatabase('clickhouse://127.0.0.1:1/otel').query('SELECT 1')\n"
        "except DatabaseError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert "127.0.0.1:1/otel cannot be reached: Connection refused" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("version", ["24.12.3.4", "25.7.1.1"])
def test_old_server_is_told_what_is_needed(server, version):
    """Before a question fails for it."""
    server.version = version

    message = error_of(lambda: connect(Address.parse(server.address)))

    assert f"The ClickHouse {version} at" in message
    assert "too old: upgrade it to 25.8 or newer" in message


@pytest.mark.parametrize("version", ["25.8.1.1", "25.10.2.1-altinity", "26.1"])
def test_newer_server_is_taken(server, version):
    """Numbers are compared, and not texts."""
    server.version = version

    connect(Address.parse(server.address)).close()


def test_missing_right_is_told_with_the_grant(clickhouse, server):
    """The user may read, and cannot make a table."""
    otel_traces.create(clickhouse)
    server.forbidden = re.compile("^CREATE")

    with connect(Address.parse(server.address)) as client:
        message = error_of(lambda: schema.init(client))

    assert f"The user '{USER}' lacks a right at" in message
    assert "it's necessary to have the grant CREATE TABLE" in message
    assert "docs/how-to/fleet has the statements" in message


def test_read_only_user_is_told_which_one_is_needed(server):
    """One whose settings cannot be changed cannot ask as SQLite does."""
    server.is_read_only = True

    assert "a user with readonly=2" in error_of(lambda: connect(Address.parse(server.address)))


def test_missing_table_is_told_with_the_command(either):
    """That of init."""
    assert "Run learning-instrument fleet init" in error_of(lambda: either.rows("SELECT * FROM executions"))


def test_fault_of_a_statement_is_what_clickhouse_says(either):
    """In one line, without the server's version, and with the server's log where there is a server."""
    message = error_of(lambda: either.rows("SELECT no_such_column"))

    assert "UNKNOWN_IDENTIFIER" in message
    assert "version 2" not in message
    assert message.endswith("The server's log has more.") is (either.address.folder is None)


@pytest.mark.parametrize("limit", ["max_rows_to_read = 10", "max_memory_usage = 1000000"])
def test_question_that_is_too_large_is_told_with_the_remedy(either, limit):
    """Of the server's limits."""
    message = error_of(lambda: either.rows(f"SELECT groupArray(number) FROM numbers(10000000) SETTINGS {limit}"))

    assert message.endswith("Ask for less, as by --since or another filter, or raise the limit.")


def test_answer_that_breaks_off_is_told(server, monkeypatch):
    """Behind its first blocks, as where the server has no more memory."""
    whole = server.answer
    with connect(Address.parse(server.address)) as client:
        monkeypatch.setattr(server, "answer", lambda query, body: whole(query, body)[:-100])

        message = error_of(lambda: client.rows("SELECT number FROM numbers(200000)"))

    assert "Stream ended unexpectedly" in message


def test_many_and_long_values_go_over_http(server):
    """Parameters as a form, and rows in several blocks."""
    texts = [f"{TEXT} {n}" for n in range(2000)]
    rows = [[text] for text in [*texts, "é" * 10**6, *("long" * 10**5 for _ in range(50))]]
    with connect(Address.parse(server.address)) as client:
        client.execute("CREATE TABLE t (a String) ENGINE = MergeTree ORDER BY a")
        client.insert("t", ("a",), rows)

        found = client.rows("SELECT a FROM t WHERE a IN {texts:Array(String)}", {"texts": texts})

        assert client.rows("SELECT count() AS n FROM t") == [{"n": len(rows)}]
    assert {row["a"] for row in found} == {*texts}


def unused_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_refused_connection_is_told_with_what_to_check():
    """With the host, in the system's words."""
    port = unused_port()

    message = error_of(lambda: connect(Address.parse(f"clickhouse://127.0.0.1:{port}/db")))

    assert message == (
        f"clickhouse://127.0.0.1:{port}/db cannot be reached: Connection refused; check host and port, and that the"
        " server runs."
    )


def test_unknown_host_is_told():
    """By the name that was looked up."""
    message = error_of(lambda: connect(Address.parse("clickhouse://no-such-host.invalid/db")))

    assert message.startswith("clickhouse://no-such-host.invalid:8123/db cannot be reached: ")


def test_server_that_goes_away_is_told(clickhouse, server):
    """In the middle of the questions."""
    with connect(Address.parse(server.address)) as client:
        server.close()

        assert "cannot be reached" in error_of(lambda: client.rows("SELECT 1 AS one"))


@pytest.mark.parametrize("status", [404, 200])
def test_another_server_is_told_apart(status):
    """Of which there may be any at a port, one that says nothing too."""

    class Other(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        message = error_of(lambda: connect(Address.parse(f"clickhouse://127.0.0.1:{other.server_port}")))
        other.shutdown()
        thread.join()

    assert "does not answer as ClickHouse does" in message
    assert "check host and port" in message


def test_server_that_never_answers_is_told(monkeypatch):
    """It accepts the connection, as one that is stopped does."""
    monkeypatch.setattr(client_module, "_FIRST_ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        message = error_of(lambda: connect(Address.parse(f"clickhouse://127.0.0.1:{silent.getsockname()[1]}")))

    assert message.endswith("; check host and port, and that the server runs.")
    assert "timed out" in message


def test_later_answers_may_take_longer(server, monkeypatch):
    """A question reads many executions."""
    monkeypatch.setattr(client_module, "_FIRST_ANSWER_SECONDS", 3)
    whole = server.answer
    with connect(Address.parse(server.address)) as client:
        monkeypatch.setattr(server, "answer", lambda query, body: time.sleep(4) or whole(query, body))

        assert client.rows("SELECT 1 AS one") == [{"one": 1}]


def test_port_of_the_native_protocol_is_told_apart(monkeypatch):
    """It is what the Collector's exporter takes by default."""
    port = unused_port()
    monkeypatch.setattr(client_module, "_NATIVE_PORTS", (port,))

    assert "HTTP's is 8123" in error_of(lambda: connect(Address.parse(f"clickhouse://127.0.0.1:{port}")))


def test_missing_extra_is_told_with_the_command(server):
    """Without clickhouse-connect nothing of it is imported."""
    program = (
        "import sys\nsys.modules['clickhouse_connect'] = None\n"
        "from learning_instrument.cli import main\nmain(['fleet', 'status', sys.argv[1]])"
    )

    done = subprocess.run([sys.executable, "-c", program, server.address], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == "Error: clickhouse_connect is not installed: pip install 'learning-instrument[scale]'.\n"


def test_password_with_marks_is_the_one_that_was_meant(server):
    """It is written as in any address."""
    assert urllib.parse.quote(PASSWORD) != PASSWORD
    with connect(Address.parse(server.address)) as client:
        assert client.rows("SELECT 1 AS one") == [{"one": 1}]
    with pytest.raises(ConfigurationError):
        Address.parse(server.address.replace("@", "#@"))
