"""Labelled failures of agents and workers: what libraries say, with the statement that says it as the label.

Each template is one statement in some program: the wording is that of the library named beside it, the slots are
what it puts in. Two messages belong together where the same statement made them, with any numbers in it.
"""

import random
from collections.abc import Callable
from typing import Final, NamedTuple


class Failure(NamedTuple):
    """One failure and the statement it came from."""

    label: str
    exception_type: str | None
    message: str


#: Label, class of the exception (None: the task returned its error), what the statement says.
TEMPLATES: Final[tuple[tuple[str, str | None, str], ...]] = (
    # HTTP clients and model APIs
    ("httpx status", "httpx.HTTPStatusError", "{http_kind} error '{status} {reason}' for url '{url}'\n"
     "For more information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/{status}"),
    ("requests status", "requests.exceptions.HTTPError", "{status} {http_kind} Error: {reason} for url: {url}"),
    ("urllib3 retries", "urllib3.exceptions.MaxRetryError", "HTTPSConnectionPool(host='{host}', port=443): Max retries "
     "exceeded with url: /{word}/{uuid} (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at "
     "0x{hex}>: Failed to establish a new connection: [Errno 111] Connection refused'))"),
    ("urllib3 read timeout", "urllib3.exceptions.ReadTimeoutError",
     "HTTPSConnectionPool(host='{host}', port=443): Read timed out. (read timeout={int})"),
    ("httpx connect", "httpx.ConnectError", "[Errno -2] Name or service not known"),
    ("httpx all attempts", "httpx.ConnectError", "All connection attempts failed"),
    ("httpx protocol", "httpx.RemoteProtocolError", "peer closed connection without sending complete message body "
     "(received {int} bytes, expected {int})"),
    ("httpx disconnected", "httpx.RemoteProtocolError", "Server disconnected without sending a response."),
    ("openai rate", "openai.RateLimitError", "Error code: 429 - {{'error': {{'message': 'Rate limit reached for "
     "{model} in organization org-{key} on tokens per min (TPM): Limit {int}, Used {int}, Requested {int}. Please "
     "try again in {seconds}s.', 'type': 'tokens', 'param': None, 'code': 'rate_limit_exceeded'}}}}"),
    ("openai auth", "openai.AuthenticationError", "Error code: 401 - {{'error': {{'message': 'Incorrect API key "
     "provided: sk-{key}. You can find your API key at {url}.', 'type': 'invalid_request_error'}}}}"),
    ("openai context", "openai.BadRequestError", "This model's maximum context length is {int} tokens. However, your "
     "messages resulted in {int} tokens. Please reduce the length of the messages."),
    ("anthropic overloaded", "anthropic.InternalServerError", "Overloaded (request_id: req_{key})"),
    ("anthropic prompt", "anthropic.BadRequestError", "prompt is too long: {int} tokens > {int} maximum"),
    ("anthropic credit", "anthropic.BadRequestError",
     "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade."),
    ("model not found", "openai.NotFoundError",
     "The model `{model}` does not exist or you do not have access to it."),
    ("returned rate limit", None, "Rate limit exceeded for model {model}: retry after {int} seconds"),
    ("returned budget", None, "Budget of ${money} exceeded: task {uuid} has spent ${money}"),
    ("returned token limit", None, "Token limit exceeded for worker {worker}: {int} of {int}"),
    # time-outs
    ("wait_for", "TimeoutError", "TimeoutError"),
    ("task timeout", None, "Task {uuid} timed out after {seconds}s"),
    ("worker timeout", None, "Worker {worker} did not answer within {int} ms: timeout"),
    ("celery soft limit", "billiard.exceptions.SoftTimeLimitExceeded", "SoftTimeLimitExceeded({int},)"),
    ("subprocess timeout", "subprocess.TimeoutExpired", "Command '{command}' timed out after {int} seconds"),
    ("lock timeout", None, "Lock {word}:{uuid} not acquired: timed out waiting for holder {worker}"),
    # Python's own
    ("key", "KeyError", "'{word}'"),
    ("attribute of None", "AttributeError", "'NoneType' object has no attribute '{word}'"),
    ("index", "IndexError", "list index out of range"),
    ("int()", "ValueError", "invalid literal for int() with base 10: '{word}'"),
    ("unpack", "ValueError", "not enough values to unpack (expected {digit}, got {digit})"),
    ("argument", "TypeError", "{word}() got an unexpected keyword argument '{word}'"),
    ("operand", "TypeError", "unsupported operand type(s) for +: '{type}' and '{type}'"),
    ("no file", "FileNotFoundError", "[Errno 2] No such file or directory: '{path}'"),
    ("permission", "PermissionError", "[Errno 13] Permission denied: '{path}'"),
    ("disk full", "OSError", "[Errno 28] No space left on device: '{path}'"),
    ("too many files", "OSError", "[Errno 24] Too many open files"),
    ("refused", "ConnectionRefusedError", "[Errno 111] Connect call failed ('{ip}', {port})"),
    ("reset", "ConnectionResetError", "[Errno 104] Connection reset by peer"),
    ("module", "ModuleNotFoundError", "No module named '{module}'"),
    ("import name", "ImportError", "cannot import name '{word}' from '{module}' ({path})"),
    ("syntax", "SyntaxError", "invalid syntax ({file}, line {int})"),
    ("decode", "UnicodeDecodeError",
     "'utf-8' codec can't decode byte 0x{byte} in position {int}: invalid continuation byte"),
    ("recursion", "RecursionError", "maximum recursion depth exceeded while calling a Python object"),
    ("memory", "MemoryError", "Unable to allocate {float} GiB for an array with shape ({int}, {int}) and data "
     "type float64"),
    ("assertion", "AssertionError", "expected {int} rows in {table}, found {int}"),
    # data
    ("json value", "json.decoder.JSONDecodeError", "Expecting value: line {int} column {int} (char {int})"),
    ("json delimiter", "json.decoder.JSONDecodeError", "Expecting ',' delimiter: line {int} column {int} (char {int})"),
    ("json extra", "json.decoder.JSONDecodeError", "Extra data: line {int} column {int} (char {int})"),
    ("pydantic", "pydantic_core._pydantic_core.ValidationError", "1 validation error for {title}\n{word}\n  Field "
     "required [type=missing, input_value={{'{word}': {int}}}, input_type=dict]\n"
     "    For further information visit https://errors.pydantic.dev/2.9/v/missing"),
    ("schema", None, "Validation failed: field {word}.{word} must be one of {word}, {word}, {word}"),
    ("output parser", None, "Could not parse LLM output: {sentence}"),
    # databases and queues
    ("sqlite locked", "sqlite3.OperationalError", "database is locked"),
    ("sqlite no table", "sqlite3.OperationalError", "no such table: {table}"),
    ("sqlite unique", "sqlite3.IntegrityError", "UNIQUE constraint failed: {table}.{word}"),
    ("postgres unique", "psycopg.errors.UniqueViolation", 'duplicate key value violates unique constraint '
     '"{table}_pkey"\n'
     "DETAIL:  Key (id)=({int}) already exists."),
    ("postgres deadlock", "psycopg.errors.DeadlockDetected", "deadlock detected\nDETAIL:  Process {int} waits for "
     "ShareLock on transaction {int}; blocked by process {int}."),
    ("postgres relation", "psycopg.errors.UndefinedTable", 'relation "{table}" does not exist\n'
     'LINE 1: SELECT * FROM {table}'),
    ("redis", "redis.exceptions.ConnectionError", "Error 111 connecting to {host}:{port}. Connection refused."),
    ("queue full", None, "Queue {word} is full: {int} of {int} slots used by pool {worker}"),
    # git, tools, processes
    ("git clone", None, "fatal: repository '{url}' not found"),
    ("git conflict", None, "CONFLICT (content): Merge conflict in {path}"),
    ("git checkout", None, "error: pathspec '{word}' did not match any file(s) known to git"),
    ("called process", "subprocess.CalledProcessError", "Command '{command}' returned non-zero exit status {digit}."),
    ("killed", None, "Worker process {int} was killed by signal 9 (SIGKILL): out of memory?"),
    ("worker lost", "billiard.exceptions.WorkerLostError",
     "Worker exited prematurely: signal {digit} (SIGSEGV) Job: {int}."),
    ("broken pool", "concurrent.futures.process.BrokenProcessPool",
     "A process in the process pool was terminated abruptly while the future was running or pending."),
    ("pytest", None, "{int} failed, {int} passed in {seconds}s"),
    ("lint", None, "{path}:{int}:{int}: {code} {sentence}"),
    ("tool missing", None, "Tool {word} is not registered; available tools: {word}, {word}"),
    ("tool raised", None, "Tool {word} raised {exception}: {sentence}"),
    ("quality gate", None, "success_when said no"),
    ("coverage gate", None, "Coverage {float}% is below the threshold of {float}%"),
    ("agent steps", None, "Agent {worker} stopped: reached the maximum of {int} steps"),
    ("agent loop", None, "Agent {worker} stopped: same action repeated {int} times"),
    ("heartbeat", None, "No heartbeat from {worker} since {time}"),
    ("unicode", None, "Datei »{sentence}« konnte nicht geöffnet werden: {path}"),
    ("japanese", None, "ファイル {path} が見つかりません"),
)  # fmt: skip

_WORDS: Final = (
    "user_id", "status", "payload", "choices", "items", "config", "retries", "branch", "search", "title", "index",
    "prompt", "tenant", "amount", "currency", "feature", "release", "session", "invoice", "summary", "review",
)  # fmt: skip
_PROSE: Final = (
    "I", "would", "change", "the", "parser", "so", "that", "it", "reads", "empty", "lines", "first", "then", "tests",
    "fail", "because", "nothing", "was", "returned", "from", "cache", "naïve", "größer", "while", "sorting",
)  # fmt: skip
_SLOTS: Final[dict[str, Callable[[random.Random], object]]] = {
    "http_kind": lambda r: r.choice(("Client", "Server")),
    "status": lambda r: r.choice((400, 401, 403, 404, 409, 429, 500, 502, 503, 504)),
    "reason": lambda r: r.choice(("Not Found", "Forbidden", "Bad Gateway", "Service Unavailable", "Conflict")),
    "host": lambda r: f"{r.choice(('api', 'db', 'cache', 'gw'))}-{r.randrange(9)}"
    f".{r.choice(('example.com', 'internal'))}",
    "url": lambda r: f"https://api.example.com/v{r.randrange(1, 4)}/{r.choice(_WORDS)}/{r.getrandbits(40)}"
    f"?q={r.choice(_WORDS)}",
    "uuid": lambda r: "-".join(f"{r.getrandbits(4 * n):0{n}x}" for n in (8, 4, 4, 4, 12)),
    "hex": lambda r: f"7f{r.getrandbits(40):010x}",
    "byte": lambda r: f"{r.randrange(128, 256):02x}",
    "key": lambda r: "".join(r.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789", k=24)),
    "int": lambda r: r.choice((r.randrange(10), r.randrange(1000), r.randrange(200_000))),
    "digit": lambda r: r.randrange(1, 10),
    "port": lambda r: r.choice((5432, 6379, 8000, 8080)),
    "float": lambda r: f"{r.uniform(1, 99):.2f}",
    "money": lambda r: f"{r.uniform(0.1, 50):.2f}",
    "seconds": lambda r: f"{r.expovariate(0.05):.3f}",
    "ip": lambda r: f"10.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(1, 255)}",
    "model": lambda r: r.choice(("gpt-4o", "gpt-4o-mini", "claude-sonnet-4", "claude-3-5-haiku-20241022", "o3-mini")),
    "worker": lambda r: f"{r.choice(('worker', 'agent', 'pool'))}-{r.randrange(64)}",
    "word": lambda r: r.choice(_WORDS),
    "title": lambda r: r.choice(("TaskInput", "PlanStep", "ReviewResult", "ToolCall")),
    "type": lambda r: r.choice(("int", "str", "NoneType", "list", "dict")),
    "table": lambda r: r.choice(("executions", "users", "invoices", "sessions", "embeddings")),
    "module": lambda r: ".".join(r.sample(("app", "agents", "tools", "yaml", "core", "models"), k=r.randrange(1, 4))),
    "file": lambda r: f"{r.choice(_WORDS)}.py",
    "path": lambda r: "/" + "/".join(r.choices(("srv", "home", "repo", "src", "tmp", "data"), k=r.randrange(1, 5)))
    + f"/{r.choice(_WORDS)}_{r.randrange(99)}.{r.choice(('py', 'json', 'txt', 'md'))}",
    "command": lambda r: r.choice(("git fetch --all", "pytest -q tests", "ruff check .", "make build", "npm ci")),
    "code": lambda r: r.choice(("E501", "F401", "B008", "SIM102")),
    "exception": lambda r: r.choice(("ValueError", "KeyError", "RuntimeError", "TypeError")),
    "time": lambda r: f"2026-11-{r.randrange(1, 30):02}T{r.randrange(24):02}:{r.randrange(60):02}"
    f":{r.randrange(60):02}Z",
    "sentence": lambda r: " ".join(r.choices(_PROSE, k=r.randrange(3, 9))),
}  # fmt: skip


class _Slots(dict[str, object]):
    """Fills each slot anew, also where a template has the same one twice."""

    def __init__(self, generator: random.Random) -> None:
        self._generator = generator

    def __missing__(self, name: str) -> object:
        return _SLOTS[name](self._generator)


def failures(count: int, seed: int = 5) -> list[Failure]:
    """Return *count* failures: each template at least three times, the common ones a hundred times as often."""
    generator = random.Random(seed)
    order = generator.sample(TEMPLATES, k=len(TEMPLATES))
    weights = [1 / rank for rank in range(1, len(order) + 1)]
    chosen = [*order * 3, *generator.choices(order, weights, k=count - 3 * len(order))]
    generator.shuffle(chosen)
    slots = _Slots(generator)
    return [Failure(label, exception_type, template.format_map(slots)) for label, exception_type, template in chosen]
