#!/bin/sh
# Start the collector rotel (pip install rotel==0.0.1a15; Linux). It takes OTLP on ports 4317 (gRPC) and 4318 (HTTP),
# and prints every span. Its other settings are variables: ROTEL_EXPORTER=otlp ROTEL_OTLP_EXPORTER_ENDPOINT=URL
# forwards the spans as well.
set -eu
python=${PYTHON:-python}
where() { "$python" -c "import sysconfig; print(sysconfig.$1)"; }

# The agent needs the interpreter's shared library, and does not know where that is.
LD_LIBRARY_PATH=$(where 'get_config_var("LIBDIR")')
ROTEL_EXPORTER=${ROTEL_EXPORTER:-blackhole}
ROTEL_DEBUG_LOG=traces
ROTEL_DEBUG_LOG_VERBOSITY=detailed
export LD_LIBRARY_PATH ROTEL_EXPORTER ROTEL_DEBUG_LOG ROTEL_DEBUG_LOG_VERBOSITY
exec "$(where 'get_path("platlib")')/rotel/rotel-agent" start
