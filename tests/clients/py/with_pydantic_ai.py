"""pydantic-ai's agent on its four models."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.py.driver import LOOP, Job


def _model(job: Job) -> Any:
    match job.client:
        case "pydantic-ai-anthropic":
            provider = AnthropicProvider(base_url=job.base, api_key=job.key)
            return AnthropicModel(job.model, provider=provider)
        case "pydantic-ai-google":
            return GoogleModel(
                job.model, provider=GoogleProvider(base_url=job.base, api_key=job.key)
            )
        case name:
            chosen = OpenAIChatModel if name == "pydantic-ai-openai-chat" else OpenAIResponsesModel
            openai = OpenAIProvider(base_url=f"{job.base}/v1", api_key=job.key)
            return chosen(job.model, provider=openai)


def run(job: Job) -> str:
    return LOOP.run(_run(job))


async def _run(job: Job) -> str:
    agent = Agent(_model(job), tools=[job.get_weather])
    handler = _ignore if job.stream else None
    return (await agent.run(job.prompt, event_stream_handler=handler)).output


async def _ignore(context: object, events: AsyncIterable[object]) -> None:
    """With a handler of events the agent streams."""
    async for _ in events:
        pass
