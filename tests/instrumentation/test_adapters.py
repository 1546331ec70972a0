"""The modules of adapters, read together."""

import json
import subprocess
import sys

from fresh import ROOT, variables

PROGRAM = """
import json
import sys

import learning_instrument.instrumentation.tools

before = set(sys.modules)

from learning_instrument.instrumentation.adapters import MODULES, adapter_of

for name in MODULES:
    adapter_of(name)
packages = {name.partition(".")[0] for name in set(sys.modules) - before}
libraries = packages - set(sys.stdlib_module_names) - {"learning_instrument"}
processes = {"concurrent.futures.process", "multiprocessing"} & set(sys.modules)
print(json.dumps([sorted(libraries), sorted(processes)]))
"""


def test_no_adapter_imports_its_library():
    """Nor what starts processes: the application may never use either."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=variables(), capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout) == [[], []]
