"""``dramatiq``: messages processed by its workers, on any broker.

A middleware also sees messages that another one skips, and does not see every end of an actor. So the execution starts
around the actor's call, for the message that the worker announced last on the same thread.
"""

import threading
from typing import Any, Final

from ...adapters import Adapter, Run
from ...safety.guards import guarded
from ..called_functions import task_of
from ..library_runs import HEADER, stamp
from ..tools import Tools


def _instrument(tools: Tools) -> None:
    """Record the messages that workers process, and send the context in messages."""
    recorder = tools.run_recorder()
    announced = threading.local()

    def emit_before(wrapped: Any, broker: Any, args: Any, kwargs: Any) -> Any:
        signal, message = args[0] if args else None, args[1] if len(args) > 1 else None
        if signal == "enqueue":
            guarded(_stamp, message)
        elif signal == "process_message":
            announced.message = message
        try:
            return wrapped(*args, **kwargs)
        except BaseException:  # raised again: a middleware skipped the message
            announced.message = None
            raise

    def call_actor(wrapped: Any, actor: Any, args: Any, kwargs: Any) -> Any:
        message, announced.message = getattr(announced, "message", None), None
        if message is None or guarded(getattr, message, "actor_name") != actor.actor_name:
            return wrapped(*args, **kwargs)  # called directly, or by another actor
        return recorder.run(lambda: _read(message, actor, args, kwargs), wrapped, None, args, kwargs)

    tools.wrap("dramatiq.broker:Broker.emit_before", emit_before)
    tools.wrap("dramatiq.actor:Actor.__call__", call_actor)


def _stamp(message: Any) -> None:
    # The worker first takes a delayed message, and sends it to the actor's queue when it is due.
    stamp(message.options, (message.options.get("eta") or 0) / 1e3)


def _read(message: Any, actor: Any, args: Any, kwargs: Any) -> Run:
    options = message.options
    retries = options.get("retries", 0)
    is_sent_once = not retries and not options.get("eta") and HEADER not in options
    return Run(
        task_type=actor.actor_name,
        task=task_of(actor.fn, args, kwargs),
        args=args,
        kwargs=kwargs,
        task_id=message.message_id,
        pool_id=message.queue_name,
        worker_id=threading.current_thread().name,
        attempt=retries + 1,
        function=actor.fn,
        headers=options,
        queued_at=message.message_timestamp / 1e3 if is_sent_once else None,
        metadata={"retries": retries, "message_id": message.message_id},
    )


ADAPTERS: Final = (Adapter(name="dramatiq", rows=(_instrument,), records="messages that workers process"),)
