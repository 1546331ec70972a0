#!/bin/sh
# ClickHouse's image runs it once: the user of Grafana may read, and nothing else.
set -eu
hash=$(printf %s "$GRAFANA_PASSWORD" | sha256sum | cut -d " " -f 1)
clickhouse-client --user "$CLICKHOUSE_USER" --password "$CLICKHOUSE_PASSWORD" --multiquery <<SQL
CREATE USER IF NOT EXISTS reader IDENTIFIED WITH sha256_hash BY '$hash' SETTINGS readonly = 2;
GRANT SELECT ON otel.* TO reader;
SQL
