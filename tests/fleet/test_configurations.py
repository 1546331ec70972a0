"""The configurations of ``examples/fleet`` are whole, and name nothing that the Collector does not have.

No Collector can be had here, so that none was started with them. Names and settings are compared with a table of what
its documentation has.
"""

import itertools
import re
from pathlib import Path

import pytest
import yaml

from learning_instrument.semconv import SCOPE_NAME

FOLDER = Path(__file__).resolve().parent.parent.parent / "examples" / "fleet"
#: Each way to start a Collector: the files that are given to it, the later ones above the earlier.
STARTS = [
    ["agent.yaml"],
    ["agent-broker.yaml"],
    ["gateway.yaml"],
    *(
        ["gateway.yaml", *more]
        for more in (
            ["gateway-sampling.yaml"],
            ["gateway-broker.yaml"],
            ["gateway-sampling.yaml", "gateway-broker.yaml"],
        )
    ),
]
KINDS = ("receivers", "processors", "exporters", "connectors")

RETRY = {"enabled": bool, "initial_interval": "s", "max_interval": "s", "max_elapsed_time": "s"}
QUEUE = {
    "enabled": bool, "num_consumers": int, "queue_size": int, "sizer": ("requests", "items", "bytes"),
    "block_on_overflow": bool, "storage": str,
    "batch": {"flush_timeout": "s", "min_size": int, "max_size": int, "sizer": ("items", "bytes")},
}  # fmt: skip
SENDING = {"timeout": "s", "retry_on_failure": RETRY, "sending_queue": QUEUE}
TLS = {"insecure": bool, "ca_file": str, "cert_file": str, "key_file": str}
#: The settings of each component that is used, and the kind of their values: a type, a choice, ``"s"`` for a duration,
#: or those within. From opentelemetry-collector (core) and -contrib, main of 2026; the file is named at each.
DOCUMENTED = {
    "extensions": {
        # contrib: extension/healthcheckextension/README.md
        "health_check": {"endpoint": str, "path": str},
        # contrib: extension/storage/filestorage/README.md
        "file_storage": {
            "directory": str, "timeout": "s", "fsync": bool, "create_directory": bool,
            "compaction": {"on_start": bool, "on_rebound": bool, "directory": str, "max_transaction_size": int},
        },
    },
    "receivers": {
        # core: receiver/otlpreceiver/README.md, config/configgrpc/README.md, config/confighttp/README.md
        "otlp": {
            "protocols": {"grpc": {"endpoint": str, "max_recv_msg_size_mib": int}, "http": {"endpoint": str}},
        },
        # contrib: receiver/kafkareceiver/README.md
        "kafka": {
            "brokers": [str], "group_id": str, "initial_offset": ("latest", "earliest"),
            "traces": {"topics": [str], "encoding": ("otlp_proto", "otlp_json")},
            "autocommit": {"enable": bool, "interval": "s"},
            "message_marking": {"after": bool, "on_error": bool, "on_permanent_error": bool},
            "error_backoff": RETRY,
        },
    },
    "processors": {
        # core: processor/memorylimiterprocessor/README.md
        "memory_limiter": {"check_interval": "s", "limit_mib": int, "spike_limit_mib": int},
        # contrib: processor/tailsamplingprocessor/README.md and config.schema.yaml
        "tail_sampling": {
            "decision_wait": "s", "num_traces": int, "expected_new_traces_per_sec": int,
            "decision_cache": {"sampled_cache_size": int, "non_sampled_cache_size": int},
            "policies": [{
                "name": str, "type": ("status_code", "latency", "probabilistic"),
                "status_code": {"status_codes": [("OK", "ERROR", "UNSET")]},
                "latency": {"threshold_ms": int, "upper_threshold_ms": int},
                "probabilistic": {"sampling_percentage": int, "hash_salt": str},
            }],
        },
    },
    "connectors": {
        # contrib: connector/routingconnector/README.md
        "routing": {
            "default_pipelines": [str], "error_mode": ("propagate", "ignore", "silent"),
            "table": [{"context": ("resource", "span"), "condition": str, "statement": str, "pipelines": [str]}],
        },
    },
    "exporters": {
        # contrib: exporter/loadbalancingexporter/README.md and config.schema.yaml; core: config/configgrpc/README.md
        "loadbalancing": {
            "routing_key": ("service", "traceID"), **SENDING,
            "protocol": {"otlp": {"timeout": "s", "compression": ("gzip", "snappy", "zstd", "none"), "tls": TLS}},
            "resolver": {"dns": {"hostname": str, "port": str, "interval": "s", "timeout": "s"}},
        },
        # contrib: exporter/clickhouseexporter/README.md and config.schema.yaml
        "clickhouse": {
            "endpoint": str, "database": str, "username": str, "password": str, "create_schema": bool,
            "traces_table_name": str, "ttl": "s", "async_insert": bool, "json": bool,
            "connection_params": {"max_execution_time": str},
            "compress": ("none", "zstd", "lz4", "gzip", "deflate", "br", "true"), **SENDING,
        },
        # contrib: exporter/kafkaexporter/README.md
        "kafka": {
            "brokers": [str], "partition_traces_by_id": bool,
            "traces": {"topic": str, "encoding": ("otlp_proto", "otlp_json")},
            "producer": {
                "required_acks": int, "compression": ("none", "gzip", "snappy", "lz4", "zstd"),
                "max_message_bytes": int,
            },
            **SENDING,
        },
    },
}  # fmt: skip


def merged(low, high):
    """As the Collector puts files together: settings within settings, and a list in place of a list."""
    if not (isinstance(low, dict) and isinstance(high, dict)):
        return high
    return low | {key: merged(low.get(key), value) for key, value in high.items()}


def started_with(files):
    configuration = {}
    for name in files:
        configuration = merged(configuration, yaml.safe_load((FOLDER / name).read_text("utf-8")))
    return configuration


@pytest.fixture(params=STARTS, ids=" ".join)
def configuration(request):
    """What a Collector that is started in one of the ways has."""
    return started_with(request.param)


def undocumented(value, expected, where=""):
    """Yield the places in *value* that are not as *expected*."""
    if isinstance(expected, dict):
        if not isinstance(value, dict):
            yield where
            return
        for key, inner in value.items():
            yield from undocumented(inner, expected[key], f"{where}.{key}") if key in expected else [f"{where}.{key}"]
    elif isinstance(expected, list):
        for number, inner in enumerate(value if isinstance(value, list) else [where]):
            yield from undocumented(inner, expected[0], f"{where}[{number}]")
    elif isinstance(expected, tuple):
        if value not in expected:
            yield f"{where} = {value}"
    elif expected == "s":
        if not re.fullmatch(r"\d+(ms|s|m|h)", str(value)):
            yield f"{where} = {value}"
    elif type(value) is not expected:
        yield f"{where} = {value!r}"


def test_table_of_settings_finds_what_is_wrong():
    """A misspelt name, a value of another type, no duration, no choice."""
    wrong = {"timeout": "5 seconds", "retry_on_failure": {"enable": True}, "sending_queue": {"queue_size": "many"}}

    assert list(undocumented(wrong, SENDING)) == [
        ".timeout = 5 seconds", ".retry_on_failure.enable", ".sending_queue.queue_size = 'many'",
    ]  # fmt: skip
    assert list(undocumented({"sizer": "bits"}, QUEUE)) == [".sizer = bits"]


def test_settings_are_documented(configuration):
    """Names, and the kinds of values."""
    known = {**DOCUMENTED, "service": None}
    assert configuration.keys() <= known.keys()
    for kind, components in DOCUMENTED.items():
        for name, settings in configuration.get(kind, {}).items():
            assert list(undocumented(settings, components[name], name)) == []


def test_pipelines_use_what_is_defined_and_nothing_is_left_over(configuration):
    """A connector is an exporter of one pipeline and a receiver of another."""
    pipelines = configuration["service"]["pipelines"]
    used = {
        kind: set(itertools.chain.from_iterable(pipeline.get(kind, []) for pipeline in pipelines.values()))
        for kind in ("receivers", "processors", "exporters")
    }
    connectors = set(configuration.get("connectors", {}))

    assert used["receivers"] == set(configuration["receivers"]) | connectors
    assert used["exporters"] == set(configuration["exporters"]) | connectors
    assert used["processors"] == set(configuration["processors"])
    assert configuration["service"]["extensions"] == list(configuration["extensions"])
    for routing in configuration.get("connectors", {}).values():
        routes = {
            *routing["default_pipelines"],
            *itertools.chain.from_iterable(row["pipelines"] for row in routing["table"]),
        }
        assert routes == {name for name, pipeline in pipelines.items() if "routing" in pipeline["receivers"]}


def test_memory_limiter_is_first_behind_each_receiver(configuration):
    """What it refuses, the sender sends again."""
    for pipeline in configuration["service"]["pipelines"].values():
        if "routing" not in pipeline["receivers"]:
            assert pipeline["processors"][0] == "memory_limiter"


def test_queues_are_on_disk_and_retry_for_ever(configuration):
    """A restart or an outage of any length loses nothing that fits in the queue."""
    for exporter in configuration["exporters"].values():
        assert (
            exporter["retry_on_failure"] | {"enabled": True, "max_elapsed_time": "0s"} == exporter["retry_on_failure"]
        )
        queue = exporter["sending_queue"]
        assert queue["storage"] in configuration["extensions"]
        assert queue["batch"]["min_size"] <= queue["batch"]["max_size"] <= queue["queue_size"]


@pytest.mark.parametrize("files", [files for files in STARTS if "gateway-sampling.yaml" in files], ids=" ".join)
def test_executions_and_failures_pass_the_sampler_by(files):
    """All spans of executions do, and all of the services that run tasks; of others, failures are kept."""
    configuration = started_with(files)
    pipelines = configuration["service"]["pipelines"]
    routing = configuration["connectors"]["routing"]

    (kept,) = {pipeline for row in routing["table"] for pipeline in row["pipelines"]}
    assert "tail_sampling" not in pipelines[kept].get("processors", [])
    assert [row["condition"] for row in routing["table"] if row["context"] == "span"] == [
        f'instrumentation_scope.name == "{SCOPE_NAME}"'
    ]
    (services,) = (row["condition"] for row in routing["table"] if row["context"] == "resource")
    pattern = re.fullmatch(r'IsMatch\(attributes\["service\.name"\], "(.*)"\)', services)[1]
    assert [name for name in ("agents", "workers-eu", "shop", "my-agents") if re.search(pattern, name)] == [
        "agents", "workers-eu",
    ]  # fmt: skip
    policies = configuration["processors"]["tail_sampling"]["policies"]
    assert {"name": "failures", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}} in policies
    for policy in policies:
        assert policy.keys() == {"name", "type", policy["type"]}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((FOLDER / "docker-compose.yaml").read_text("utf-8"))


def mounts_of(service):
    return [volume.split(":")[:2] for volume in service.get("volumes", [])]


def test_images_are_pinned(compose):
    """Each to a release."""
    for name, service in compose["services"].items():
        assert re.search(r":\d+\.\d+\.\d+(\.\d+)?$", service["image"]), name
    (plugin,) = [service["environment"]["GF_PLUGINS_PREINSTALL_SYNC"] for service in [compose["services"]["grafana"]]]
    assert re.fullmatch(r"grafana-clickhouse-datasource@\d+\.\d+\.\d+", plugin)


def test_mounted_files_exist_and_volumes_are_defined(compose):
    """Whatever is not a file of this folder is a volume, and each volume is used."""
    sources = [source for service in compose["services"].values() for source, _ in mounts_of(service)]
    files = [source for source in sources if source.startswith(".")]

    assert [file for file in files if not (FOLDER / file).is_file()] == []
    assert {source for source in sources if not source.startswith(".")} == set(compose["volumes"])
    shown = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.*") if path.suffix != ".pyc"}
    assert shown - {file.removeprefix("./") for file in files} == {"README.md", "docker-compose.yaml", "load.py"}


def test_collectors_are_started_with_files_that_they_have_in_a_way_that_is_tested(compose):
    """And depend on services that exist."""
    ways = []
    for service in compose["services"].values():
        assert set(service.get("depends_on", [])) <= set(compose["services"])
        if "collector" in service["image"]:
            inside = {target: source for source, target in mounts_of(service)}
            files = [inside[argument.removeprefix("--config=")] for argument in service["command"]]
            ways.append([file.removeprefix("./") for file in files])
    assert {tuple(way) for way in ways} <= {tuple(way) for way in STARTS}
    assert len(ways) == 5


def test_services_are_found_by_the_names_that_configurations_have(compose):
    """Gateways by an alias, the broker and ClickHouse by their names."""
    names = set(compose["services"]) | {
        alias
        for service in compose["services"].values()
        for alias in service.get("networks", {}).get("default", {}).get("aliases", [])
    }
    for files in STARTS:
        exporters = started_with(files)["exporters"]
        hosts = [exporters["loadbalancing"]["resolver"]["dns"]["hostname"]] if "loadbalancing" in exporters else []
        hosts += [broker.partition(":")[0] for broker in exporters.get("kafka", {}).get("brokers", [])]
        if "clickhouse" in exporters:
            hosts.append(re.match(r"clickhouse://(\w+):9000", exporters["clickhouse"]["endpoint"])[1])
        assert hosts
        assert set(hosts) <= names
    variables = set(
        re.findall(r"\$\{env:(\w+)\}", "".join(path.read_text("utf-8") for path in FOLDER.glob("gateway*.yaml")))
    )
    assert variables <= set(compose["services"]["gateway-1"]["environment"])


def test_reader_of_grafana_is_made_with_statements_that_clickhouse_has(clickhouse):
    """The shell puts in the hash of the password."""
    script = (FOLDER / "clickhouse-reader.sh").read_text("utf-8")
    statements = re.search(r"<<SQL\n(.*)SQL\n", script, re.S)[1].replace("$hash", "0" * 64).split(";")
    reader = yaml.safe_load((FOLDER / "grafana" / "datasource.yaml").read_text("utf-8"))["datasources"][0]["jsonData"]

    formatted = [
        clickhouse.query("SELECT formatQuerySingleLine({sql:String})", parameters={"sql": sql}).result_rows[0][0]
        for sql in statements
        if sql.strip()
    ]
    assert f"CREATE USER IF NOT EXISTS {reader['username']} " in formatted[0]
    assert formatted[1] == f"GRANT SELECT ON {reader['defaultDatabase']}.* TO {reader['username']}"
