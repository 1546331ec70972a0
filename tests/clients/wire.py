"""A server on loopback that speaks OpenAI's, Anthropic's and Gemini's wire formats, and keeps the usage it told.

It is the truth that recorded tokens and costs are compared with.
"""

import itertools
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

Json = dict[str, Any]


class Usage(NamedTuple):
    """What one answer says of its usage; the input includes what was cached, the output what was reasoning."""

    input: int = 1000
    output: int = 100
    cached: int = 0
    #: Of all that is written to the cache, the part that stays for an hour comes second.
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0


class Answer(NamedTuple):
    """One request that was answered, even if its stream broke off."""

    provider: str
    model: str
    usage: Usage


@dataclass
class Wire:
    """The server, for a ``with`` statement."""

    usage: Usage = field(default_factory=Usage)
    #: The HTTP statuses of errors to answer first.
    errors: list[int] = field(default_factory=list)
    #: After how many events a stream breaks off, without the end that its encoding has; None: it ends.
    breaks_after: int | None = None
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> "Wire":
        handler = type("Handler", (_Handler,), {"wire": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.numbers = itertools.count(1)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wire: Wire

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Answer what clients ask their vendors at home."""
        self._send_json(200, {})

    def do_POST(self) -> None:
        """Answer as the API of the path does."""
        data = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.partition("?")[0]
        answer = next((method for part, method in _ROUTES.items() if part in path), None)
        if answer is None:  # telemetry that a client sends to its vendor
            return self._send_json(200, {})
        if self.wire.errors:
            error = {"message": "try later", "type": "server_error", "code": "overloaded"}
            return self._send_json(self.wire.errors.pop(0), {"error": error, "type": "error"})
        return answer(self, json.loads(data))

    def _send_json(self, status: int, value: Json) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterable[Json | str], named: bool = False) -> None:
        """Send server-sent events, until the wire breaks or the client goes away."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        try:
            for number, event in enumerate(events):
                if number == self.wire.breaks_after:
                    return
                name = f"event: {event['type']}\n" if named and isinstance(event, dict) else ""
                data = f"{name}data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass

    def _answer(self, provider: str, model: str) -> tuple[Usage, int]:
        usage = self.wire.usage
        self.wire.answers.append(Answer(provider, model, usage))
        return usage, next(self.wire.numbers)

    # OpenAI.

    def chat(self, body: Json) -> None:
        usage, number = self._answer("openai", body["model"])
        spent = {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
        }
        common = {"id": f"chatcmpl-{number}", "created": 1, "model": body["model"], "service_tier": "default"}
        if not body.get("stream"):
            message = {"role": "assistant", "content": "four", "refusal": None, "annotations": []}
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
            return self._send_json(200, {**common, "object": "chat.completion", "usage": spent, "choices": [choice]})
        deltas = [({"role": "assistant", "content": ""}, None), ({"content": "four"}, None), ({}, "stop")]
        choices: list[list[Json]] = [
            [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}] for delta, reason in deltas
        ]
        events: list[Json] = [{"choices": each} for each in choices]
        if (body.get("stream_options") or {}).get("include_usage"):
            events.append({"choices": [], "usage": spent})
        chunk = {**common, "object": "chat.completion.chunk"}
        return self._stream([*({**chunk, **event} for event in events), "[DONE]"])

    def create_response(self, body: Json) -> None:
        usage, number = self._answer("openai", body["model"])
        spent = {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.input + usage.output,
        }
        text = {"type": "output_text", "text": "four", "annotations": []}
        item = {"type": "message", "id": f"msg_{number}", "status": "completed", "role": "assistant", "content": [text]}
        whole = {
            "id": f"resp_{number}", "object": "response", "created_at": 1, "status": "completed",
            "model": body["model"], "output": [item], "usage": spent, "error": None, "incomplete_details": None,
            "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0,
            "tool_choice": "auto", "tools": [], "top_p": 1.0, "service_tier": "default",
            "text": {"format": {"type": "text"}},
        }  # fmt: skip
        if not body.get("stream"):
            return self._send_json(200, whole)
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}
        place = {"item_id": f"msg_{number}", "output_index": 0, "content_index": 0}
        new = {**item, "content": [], "status": "in_progress"}
        events: list[Json] = [
            {"type": "response.created", "response": begun},
            {"type": "response.output_item.added", "output_index": 0, "item": new},
            {"type": "response.content_part.added", **place, "part": {**text, "text": ""}},
            {"type": "response.output_text.delta", **place, "delta": "four", "logprobs": []},
            {"type": "response.output_text.done", **place, "text": "four", "logprobs": []},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": whole},
        ]
        return self._stream(({**event, "sequence_number": n} for n, event in enumerate(events)), named=True)

    def embeddings(self, body: Json) -> None:
        usage, _ = self._answer("openai", body["model"])
        self.wire.answers[-1] = self.wire.answers[-1]._replace(usage=Usage(usage.input, 0))
        vector: Any = "AACAPwAAgD8=" if body.get("encoding_format") == "base64" else [1.0, 1.0]
        data = [{"object": "embedding", "index": 0, "embedding": vector}]
        spent = {"prompt_tokens": usage.input, "total_tokens": usage.input}
        self._send_json(200, {"object": "list", "model": body["model"], "data": data, "usage": spent})

    # Anthropic, whose input is without what was read from and written to the cache.

    def messages(self, body: Json) -> None:
        usage, number = self._answer("anthropic", body["model"])
        spent = {
            "input_tokens": usage.input - usage.cached - usage.cache_write,
            "cache_read_input_tokens": usage.cached,
            "cache_creation_input_tokens": usage.cache_write,
            "cache_creation": {
                "ephemeral_5m_input_tokens": usage.cache_write - usage.cache_write_1h,
                "ephemeral_1h_input_tokens": usage.cache_write_1h,
            },
            "output_tokens": usage.output,
            "service_tier": "standard",
            "server_tool_use": None,
        }
        whole = {
            "id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"],
            "stop_reason": "end_turn", "stop_sequence": None, "content": [{"type": "text", "text": "four"}],
            "usage": spent,
        }  # fmt: skip
        if not body.get("stream"):
            return self._send_json(200, whole)
        begun = {**whole, "content": [], "stop_reason": None, "usage": {**spent, "output_tokens": 1}}
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        events: list[Json] = [
            {"type": "message_start", "message": begun},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "four"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": end, "usage": {"output_tokens": usage.output}},
            {"type": "message_stop"},
        ]
        return self._stream(events, named=True)

    # Gemini.

    def generate(self, _: Json) -> None:
        model = self.path.partition("/models/")[2].partition(":")[0]
        usage, number = self._answer("google", model)
        spent: Json = {
            "promptTokenCount": usage.input,
            "candidatesTokenCount": usage.output - usage.reasoning,
            "totalTokenCount": usage.input + usage.output,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}],
        }
        if usage.cached:
            spent["cachedContentTokenCount"] = usage.cached
        if usage.reasoning:
            spent["thoughtsTokenCount"] = usage.reasoning
        part: Json = {"content": {"parts": [{"text": "four"}], "role": "model"}, "index": 0}
        begun = {"candidates": [part], "modelVersion": model, "responseId": f"gemini-{number}"}
        whole = {**begun, "candidates": [{**part, "finishReason": "STOP"}], "usageMetadata": spent}
        if "streamGenerateContent" in self.path:
            return self._stream([begun, whole])
        return self._send_json(200, whole)


_ROUTES: Final = {
    "/chat/completions": _Handler.chat,
    "/responses": _Handler.create_response,
    "/embeddings": _Handler.embeddings,
    "/messages": _Handler.messages,
    "enerateContent": _Handler.generate,
}
