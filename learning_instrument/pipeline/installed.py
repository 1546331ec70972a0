"""The builder of pipelines that ``configure()`` installed, and the options of a decorated function."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry.trace import TracerProvider

from ..recording.types import Pipeline
from ..safety.memory import Misses

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from ..budgets import Budget


#: Set by ``learning-instrument run``: its process, which becomes the command. Those that this starts inherit it.
RUN_VARIABLE: Final = "LEARNING_INSTRUMENT_RUN"


class _NotGiven:
    """The default of ``learning_db=``, where None has a meaning of its own."""

    def __repr__(self) -> str:
        return "..."

    def __reduce__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = _NotGiven()


class PipelineOptions(NamedTuple):
    """The arguments of a decorated function that its pipeline depends on."""

    tracer_provider: TracerProvider | None = None
    meter_provider: "MeterProvider | None" = None
    budgets: "tuple[Budget, ...]" = ()


PipelineBuilder = Callable[[PipelineOptions], Pipeline | None]
"""Returns the pipeline for these options, or None where recording is turned off."""


class Installed:
    """The installed builder; None before ``configure()`` and after ``shutdown()``."""

    builder: PipelineBuilder | None = None
    #: Raised with each change: a resolver that remembers another one resolves again.
    generation: int = 0
    #: Whether the warning that nothing records was logged.
    has_warned: bool = False
    measures_resources: bool = True
    #: Whether any function of this process was called whose executions are recorded, into whatever database.
    has_built: bool = False
    #: Counts executions that not even a pipeline could be built for, for lack of memory.
    misses: Misses | None = None


def install(builder: PipelineBuilder | None, *, measures_resources: bool = True, misses: Misses | None = None) -> None:
    """Use *builder* for all executions without a database of their own, and *misses* to count those it fails for."""
    Installed.builder = builder
    Installed.misses = misses
    Installed.measures_resources = measures_resources
    Installed.generation += 1
    Installed.has_warned = False
