"""``openai-agents``: runs of agents. A handoff goes on with the run; an agent that is a tool has a run of its own."""

import functools
from typing import Any, Final

from ...adapters import Adapter, Executes, Run
from ..tools import Tools, Wrapper
from .prompts import model_name_of, text_of


def _read(runner: Any, starting_agent: Any, input: Any = None, **options: Any) -> Run:  # noqa: A002 - the library's name
    return _run_of(starting_agent, input, options.get("run_config"))


def _run_of(agent: Any, prompt: Any, config: Any) -> Run:
    model = (config.get("model") if isinstance(config, dict) else getattr(config, "model", None)) or agent.model
    return Run(task_type=agent.name, description=text_of(prompt), model=model_name_of(model))


def _output_of(result: Any) -> Any:
    return result.final_output


def _instrument_streams(tools: Tools) -> None:
    """Record what ``run_streamed`` starts in the background: it lasts until the run has ended, even if unread."""
    recorder = tools.run_recorder(_output_of)

    def make(original: Any) -> Wrapper:
        @functools.wraps(original)
        async def streaming(*args: Any, **kwargs: Any) -> Any:
            await original(*args, **kwargs)
            return kwargs["streamed_result"]  # it has the output; the only caller ignores what is returned

        def run(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            return recorder.run(lambda: _read_stream(**kwargs), streaming, None, args, kwargs)

        return run

    tools.wrap_original("agents.run:start_streaming", make)


def _read_stream(*, starting_agent: Any, starting_input: Any, run_config: Any, **_: Any) -> Run:
    return _run_of(starting_agent, starting_input, run_config)


ADAPTERS: Final = (
    Adapter(
        name="openai-agents",
        package="agents",
        rows=(Executes(target="agents.run:AgentRunner.run", read=_read, result=_output_of), _instrument_streams),
        records="runs of agents, streamed ones until they end",
    ),
)
