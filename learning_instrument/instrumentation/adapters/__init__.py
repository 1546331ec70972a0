"""Adapters of libraries: tables of rows, and functions for what no row says.

They do not import the library, but wait until the application does.
"""

from importlib import import_module
from typing import Any, Final

from ...adapters import Adapter
from ...errors import ConfigurationError
from ...safety.guards import is_interruption

#: Name of the adapter, as people type the library in ``pip install`` -> the module with its rows.
MODULES: Final = {
    "anyio": "anyio",
    "apscheduler": "apscheduler",
    "arq": "arq",
    "autogen-agentchat": "autogen",
    "billiard": "billiard",
    "celery": "celery",
    "claude-agent-sdk": "claude_agent_sdk",
    "concurrent.futures": "concurrent_futures",
    "crewai": "crewai",
    "dask": "dask",
    "django-tasks": "django_tasks",
    "dramatiq": "dramatiq",
    "dspy": "dspy",
    "gevent": "gevent",
    "google-adk": "google_adk",
    "huey": "huey",
    "joblib": "joblib",
    "langgraph": "langgraph",
    "llama-index-workflows": "llama_index_workflows",
    "mahavishnu": "mahavishnu",
    "mpire": "mpire",
    "multiprocessing": "multiprocessing",
    "openai-agents": "openai_agents",
    "pebble": "pebble",
    "prefect": "prefect",
    "pydantic-ai": "pydantic_ai",
    "rq": "rq",
    "smolagents": "smolagents",
    "starlette": "starlette",
    "strands-agents": "strands_agents",
    "taskiq": "taskiq",
    "trio": "trio",
}
#: Those of the standard library: pools that other libraries are built on.
EXECUTORS: Final = ("concurrent.futures", "multiprocessing")


def adapter_of(name: str) -> Adapter:
    """Return our adapter called *name*."""
    adapters: tuple[Adapter, ...] = import_module(f".{MODULES[name]}", __name__).ADAPTERS
    return next(adapter for adapter in adapters if adapter.name == name)


def declared_adapter(module: str) -> Adapter:
    """Return the adapter that is the variable ``ADAPTER`` of another package's *module*.

    Raises:
        ConfigurationError: if there is none.
    """
    try:
        found: Any = vars(import_module(module)).get("ADAPTER")
    except BaseException as error:  # of another package's module, which may call sys.exit()
        if is_interruption(error):
            raise
        raise ConfigurationError(f"Invalid adapter {module!r}: its import failed, {error!r}.") from error
    if not isinstance(found, Adapter):
        raise ConfigurationError(f"Invalid adapter {module!r}: expected a variable ADAPTER in it, an Adapter.")
    return found
