"""What each option of recording costs, beside the plain recorded call."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from learning_instrument import Budget

from .ours import recorded
from .spans import bare_span
from .timing import BLOCK_CALLS, Spreads, Timings, interleave
from .workload import tasks

PLAIN: Final = "none, an awaited call in batch"
PLAIN_SYNC: Final = "none, a plain call in batch"
_UNMEASURED: Final = "measure_resources=False, a plain call"


@dataclass(frozen=True)
class Option:
    """What a call with one option costs, and what the option adds to it; in bare spans."""

    name: str
    times: Spreads
    added: Spreads


def measure(rounds: int) -> list[Option]:
    """Measure each option in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        awaited = [
            recorded(PLAIN, folder / "plain.db"),
            recorded(
                "meter_provider=", folder / "metrics.db", meter_provider=MeterProvider([InMemoryMetricReader()])
            ),
            recorded("budget=, one", folder / "budget.db", budget=Budget(usd=1e6, per="month")),
            recorded(
                "budget=, three",
                folder / "budgets.db",
                budget=[Budget(usd=1e6, per="day"), Budget(usd=1e6, per="hour"), Budget(usd=1e6, per="month")],
            ),
            recorded(
                "request_hook=", folder / "request.db", decorated={"request_hook": lambda span, instance, task: None}
            ),
            recorded(
                "response_hook=",
                folder / "response.db",
                decorated={"response_hook": lambda span, instance, task, result, exception: None},
            ),
            recorded(
                "success_when=", folder / "success.db", decorated={"success_when": lambda result: result["success"]}
            ),
            recorded("fields=, a name", folder / "named.db", decorated={"fields": {"quality_score": "quality_score"}}),
            recorded("fields=, a dotted path", folder / "path.db", decorated={"fields": {"repo": "metadata.branch"}}),
            recorded(
                "fields=, a callable",
                folder / "callable.db",
                decorated={"fields": {"model_tier": lambda instance, task, result: "medium"}},
            ),
            recorded("redact=, a pattern", folder / "pattern.db", redact=r"customer-\d+"),
            recorded("redact=, a function", folder / "function.db", redact=lambda text: text),
            recorded("capture_content=False", folder / "content.db", decorated={"capture_content": False}),
        ]  # fmt: skip
        plain = [
            recorded(PLAIN_SYNC, folder / "sync.db", is_async=False),
            recorded(_UNMEASURED, folder / "unmeasured.db", is_async=False, measure_resources=False),
        ]
        return [
            option
            for variants, is_async in ((awaited, True), (plain, False))
            for option in _beside_first(interleave(variants, bare_span(is_async=is_async), tasks(BLOCK_CALLS), rounds))
        ]


def _beside_first(timings: dict[str, Timings]) -> list[Option]:
    first = next(iter(timings.values()))
    return [Option(name, each.spreads(), Spreads.of(each.beyond(first))) for name, each in timings.items()]
