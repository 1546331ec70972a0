"""State."""

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from opentelemetry.trace import TracerProvider

from ..recording.types import Pipeline

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from ..budgets import Budget


class _NotGiven:
    """The default of ``learning_db=``, where None has a meaning of its own."""

    def __repr__(self) -> str:
        return "..."


NOT_GIVEN: Final = _NotGiven()


class PipelineOptions(NamedTuple):
    """What a decorated function asks for, beside what was configured."""

    tracer_provider: TracerProvider | None = None
    meter_provider: "MeterProvider | None" = None
    budgets: "tuple[Budget, ...]" = ()


class PipelineBuilder(Protocol):
    """Builds pipelines; ``configuration`` has one."""

    def __call__(self, terms: PipelineOptions) -> Pipeline | None:
        """Return the pipeline of executions with these *terms* beside its own."""


class _Configured:
    """What ``configure()`` set up; None before it and after ``shutdown()``."""

    join: PipelineBuilder | None = None
    generation: int = 0
    #: Whether it was said that nothing records.
    has_warned: bool = False


def install(join: PipelineBuilder | None) -> None:
    """Make *join* build the pipelines of all executions without a database of their own. For ``configuration``."""
    _Configured.join = join
    _Configured.generation += 1
    _Configured.has_warned = False


def installed() -> PipelineBuilder | None:
    """Return what :func:`install` was given last."""
    return _Configured.join
