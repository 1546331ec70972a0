"""How each library asks its model: ``library(wire's URL) -> ask``, and ``ask(stream)`` asks once and reads the answer.

What is asked again after an error is the task's matter here, so the libraries' own retries are off where they can be.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

Ask = Callable[[bool], None]

OPENAI_MODEL: Final = "gpt-4o-mini"
ANTHROPIC_MODEL: Final = "claude-sonnet-4-5"
GEMINI_MODEL: Final = "gemini-2.5-flash"
QUESTION: Final = "2 + 2?"
MESSAGES: Final[Any] = [{"role": "user", "content": QUESTION}]

#: What each imports, which takes seconds.
MODULES: Final = {
    "openai_chat": ("openai",),
    "langfuse_openai": ("openai", "langfuse"),
    "openai_responses": ("openai",),
    "openai_embeddings": ("openai",),
    "anthropic": ("anthropic",),
    "google_genai": ("google.genai",),
    "langchain_openai": ("langchain_openai",),
    "langchain_anthropic": ("langchain_anthropic",),
    "pydantic_ai_chat": ("pydantic_ai.models.openai",),
    "pydantic_ai_responses": ("pydantic_ai.models.openai",),
    "pydantic_ai_anthropic": ("pydantic_ai.models.anthropic",),
    "litellm": ("litellm",),
    "smolagents": ("smolagents", "openai"),
    "openai_agents": ("agents",),
    "strands_openai": ("strands.models.openai",),
    "strands_anthropic": ("strands.models.anthropic",),
}


def _read(chunks: Any) -> None:
    for _ in chunks:
        pass


def openai_chat(url: str) -> Ask:
    from openai import OpenAI

    create = OpenAI(base_url=f"{url}/v1", max_retries=0).chat.completions.create
    return _chat(create)


def langfuse_openai(url: str) -> Ask:
    from langfuse.openai import OpenAI

    return _chat(OpenAI(base_url=f"{url}/v1", max_retries=0).chat.completions.create)


def _chat(create: Any) -> Ask:
    def ask(stream: bool) -> None:
        if stream:
            _read(create(model=OPENAI_MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}))
        else:
            create(model=OPENAI_MODEL, messages=MESSAGES)

    return ask


def openai_responses(url: str) -> Ask:
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", max_retries=0)

    def ask(stream: bool) -> None:
        answer = client.responses.create(model=OPENAI_MODEL, input=QUESTION, stream=stream)
        if stream:
            _read(answer)

    return ask


def openai_embeddings(url: str) -> Ask:
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", max_retries=0)
    return lambda stream: client.embeddings.create(model="text-embedding-3-small", input=QUESTION)


def anthropic(url: str) -> Ask:
    from anthropic import Anthropic

    client = Anthropic(base_url=url, max_retries=0)

    def ask(stream: bool) -> None:
        answer = client.messages.create(model=ANTHROPIC_MODEL, max_tokens=100, messages=MESSAGES, stream=stream)
        if stream:
            _read(answer)

    return ask


def google_genai(url: str) -> Ask:
    from google import genai

    client = genai.Client(http_options={"base_url": url})

    def ask(stream: bool) -> None:
        if stream:
            _read(client.models.generate_content_stream(model=GEMINI_MODEL, contents=QUESTION))
        else:
            client.models.generate_content(model=GEMINI_MODEL, contents=QUESTION)

    return ask


def langchain_openai(url: str) -> Ask:
    from langchain_openai import ChatOpenAI

    return _langchain(ChatOpenAI(model=OPENAI_MODEL, base_url=f"{url}/v1", max_retries=0, stream_usage=True))


def langchain_anthropic(url: str) -> Ask:
    from langchain_anthropic import ChatAnthropic

    return _langchain(ChatAnthropic(model=ANTHROPIC_MODEL, base_url=url, max_retries=0))


def _langchain(model: Any) -> Ask:
    return lambda stream: _read(model.stream(QUESTION)) if stream else model.invoke(QUESTION)


def pydantic_ai_chat(url: str) -> Ask:
    return _pydantic_ai(f"openai-chat:{OPENAI_MODEL}")


def pydantic_ai_responses(url: str) -> Ask:
    return _pydantic_ai(f"openai-responses:{OPENAI_MODEL}")


def pydantic_ai_anthropic(url: str) -> Ask:
    return _pydantic_ai(f"anthropic:{ANTHROPIC_MODEL}")


def _pydantic_ai(model: str) -> Ask:
    from pydantic_ai import Agent

    async def run(stream: bool) -> None:
        agent = Agent(model)
        if stream:
            async with agent.run_stream(QUESTION) as answer:
                async for _ in answer.stream_text():
                    pass
        else:
            await agent.run(QUESTION)

    return lambda stream: asyncio.run(run(stream))


def litellm(url: str) -> Ask:
    import litellm

    def ask(stream: bool) -> None:
        more: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        answer = litellm.completion(
            f"openai/{OPENAI_MODEL}", MESSAGES, api_base=f"{url}/v1", num_retries=0, max_retries=0, **more
        )
        if stream:
            _read(answer)

    return ask


def smolagents(url: str) -> Ask:
    from smolagents import OpenAIServerModel

    model = OpenAIServerModel(OPENAI_MODEL, api_base=f"{url}/v1", client_kwargs={"max_retries": 0})
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
    return lambda stream: _read(model.generate_stream(messages)) if stream else model.generate(messages)


def openai_agents(url: str) -> Ask:
    from agents import Agent, OpenAIResponsesModel, Runner
    from openai import AsyncOpenAI

    async def run(stream: bool) -> None:
        model = OpenAIResponsesModel(OPENAI_MODEL, AsyncOpenAI(base_url=f"{url}/v1", max_retries=0))
        agent = Agent(name="adder", model=model)
        if stream:
            async for _ in Runner.run_streamed(agent, QUESTION).stream_events():
                pass
        else:
            await Runner.run(agent, QUESTION)

    return lambda stream: asyncio.run(run(stream))


def strands_openai(url: str) -> Ask:
    from strands.models.openai import OpenAIModel

    return _strands(lambda: OpenAIModel(client_args={"base_url": f"{url}/v1", "max_retries": 0}, model_id=OPENAI_MODEL))


def strands_anthropic(url: str) -> Ask:
    from strands.models.anthropic import AnthropicModel

    arguments = {"base_url": url, "max_retries": 0}
    return _strands(lambda: AnthropicModel(client_args=arguments, model_id=ANTHROPIC_MODEL, max_tokens=100))


def _strands(model: Callable[[], Any]) -> Ask:
    from strands import Agent

    def ask(stream: bool) -> None:
        """It always streams."""
        Agent(model=model(), callback_handler=None)(QUESTION)

    return ask
