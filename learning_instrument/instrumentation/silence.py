"""Says at the end of ``learning-instrument run`` that nothing was recorded, and why: silence looks like success."""

import atexit
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..adapters import Adapter
from ..configuration import configured_database
from ..pipeline.host_providers import is_disabled
from ..pipeline.installed import RUN_VARIABLE, Installed
from ..safety.clocks import time
from ..safety.guards import guarded
from ..sqlite.read_only import ReadOnlyDatabase
from ..storage import spill_names
from ..timestamps import iso_of_nanoseconds
from .adapters import MODULES, adapter_of
from .pool_libraries import WITHOUT_ADAPTER, imported_libraries, module_of
from .targets import NamedAdapter, NamedTarget, Target, package_of


def watch(targets: Sequence[Target]) -> Callable[[], object]:
    """Say at the end of this process, if it is the command of ``run``, that nothing was recorded; return the undoing.

    Args:
        targets: what was named.
    """
    process_id, since = str(os.getpid()), iso_of_nanoseconds(time.time_ns())

    def end() -> None:
        if os.environ.get(RUN_VARIABLE) == str(os.getpid()) == process_id and not Installed.has_built:
            guarded(_end, targets, since)

    if os.environ.get(RUN_VARIABLE) == process_id:
        # Imported now: an import at the end may fail, and makes an end by Ctrl-C an ordinary one.
        for name in MODULES:
            adapter_of(name)
    atexit.register(end)
    return lambda: atexit.unregister(end)


def _end(targets: Sequence[Target], since: str) -> None:
    database = configured_database()
    if database is not None and not _has_rows(database.path, since):
        named = [target for target in targets if not (isinstance(target, NamedAdapter) and target.is_default)]
        sys.stderr.write(f"Nothing was recorded into {database.path}: {' '.join(_reasons(named))}\n")
        sys.stderr.flush()


def _has_rows(path: str, since: str) -> bool:
    """Tell whether any process stored an execution that began *since* then."""
    if not os.path.exists(path):
        return False
    if spill_names.waiting(path).files:
        return True
    with ReadOnlyDatabase(path) as database:
        return bool(database.query("SELECT 1 FROM executions WHERE timestamp >= ? LIMIT 1", (since,)))


def _reasons(targets: Sequence[Target]) -> Iterator[str]:
    """Yield the sentences that say why, and what to do; the first continues a sentence."""
    if is_disabled():
        yield "OTEL_SDK_DISABLED=true turns recording off."
        return
    wanted = [target for target in targets if not (_is_of_auto(target) and _module_of(target) not in sys.modules)]
    missing = [target for target in wanted if _module_of(target) not in (*sys.modules, None)]
    of_the_script = [
        target for target in missing if isinstance(target, NamedTarget) and target.module in _names_of_the_script()
    ]
    others = [target for target in missing if target not in of_the_script]
    if not targets:
        yield (
            "no pools are named. Name them by --pools, such as package.module:Class or celery, or decorate what runs a"
            " task with @record_execution."
        )
    elif not wanted:
        yield "the application imported none of the libraries that auto stands for."
    elif not missing:
        yield f"the application ran no task of {_listed(wanted)}."
    for target in of_the_script:
        yield f"{target} is of the script itself, whose module is __main__: name __main__:{target.path}."
    if others:
        yield f"the application did not import {_listed(others)}."
    instrumented = {str(_module_of(target)).partition(".")[0] for target in targets}
    bare = [name for name in imported_libraries(sys.modules) if module_of(name).partition(".")[0] not in instrumented]
    with_adapter = [name for name in bare if name not in WITHOUT_ADAPTER]
    without = [name for name in bare if name in WITHOUT_ADAPTER]
    if with_adapter:
        yield f"It imported {_listed(with_adapter)}, not instrumented: add --pools {','.join(with_adapter)}."
    if without:
        yield (
            f"It imported {_listed(without)}, which no adapter covers: name the class or function that runs a task, or"
            " decorate it."
        )


def _is_of_auto(target: Any) -> bool:
    return isinstance(target, NamedAdapter) and target.is_of_auto


def _module_of(target: Any) -> str | None:
    """Return the module that *target* is in, where it is named."""
    if isinstance(target, NamedTarget):
        return target.module
    if isinstance(target, NamedAdapter):
        return package_of(adapter_of(target.name))
    return package_of(target) if isinstance(target, Adapter) else None


def _names_of_the_script() -> set[str]:
    """Return the names that the module ``__main__`` would have if it were imported."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    names = {spec.name, spec.name.removesuffix(".__main__")} if spec is not None else set()
    # Its __file__ is deleted once it has run.
    return {*names, *(os.path.splitext(os.path.basename(path))[0] for path in sys.argv[:1])}


def _listed(names: Sequence[object]) -> str:
    *most, last = (name.name if isinstance(name, Adapter) else str(name) for name in names)
    return f"{', '.join(most)} and {last}" if most else last
