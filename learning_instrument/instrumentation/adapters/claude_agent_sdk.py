"""``claude-agent-sdk``: queries, until their result; a client's, from the first message that is received of it."""

from typing import Any, Final
from weakref import WeakKeyDictionary

from ...adapters import Adapter, Executes, Run
from ...safety.guards import guarded
from ..tools import Tools

#: The SDK names no agents.
_TYPE: Final = "claude"


def _read_query(client: Any, prompt: Any = None, options: Any = None, **_: Any) -> Run:
    return _run_of(prompt, options)


def _run_of(prompt: Any, options: Any) -> Run:
    model = getattr(options, "model", None)
    return Run(task_type=_TYPE, description=prompt if isinstance(prompt, str) else None, model=model)


def _result(message: Any) -> Any:
    """Return what the last message says of its query; None where it is not the result."""
    if not hasattr(message, "is_error"):
        return None
    if str(message.terminal_reason).startswith("aborted"):
        said: dict[str, Any] = {"status": "cancelled"}
    elif message.is_error:
        said = {"status": "failed", "error": message.result or "; ".join(message.errors or ()) or message.subtype}
    else:
        said = {"status": "success"}
    return {**said, "cost": message.total_cost_usd}


def _instrument_clients(tools: Tools) -> None:
    recorder = tools.run_recorder(_result)
    prompts: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def query(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        guarded(prompts.__setitem__, client, args[0] if args else kwargs.get("prompt"))
        return wrapped(*args, **kwargs)

    def receive(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        return recorder.run(lambda: _run_of(prompts.get(client), client.options), wrapped, client, args, kwargs)

    tools.wrap("claude_agent_sdk.client:ClaudeSDKClient.query", query)
    tools.wrap("claude_agent_sdk.client:ClaudeSDKClient.receive_response", receive)


ADAPTERS: Final = (
    Adapter(
        name="claude-agent-sdk",
        package="claude_agent_sdk",
        rows=(
            Executes(
                target="claude_agent_sdk._internal.client:InternalClient.process_query",
                read=_read_query,
                result=_result,
            ),
            _instrument_clients,
        ),
        records="queries, and responses that clients receive",
    ),
)
