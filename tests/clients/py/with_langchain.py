"""LangChain's agent (LangGraph inside) on the models of three packages."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

from tests.clients.py.driver import Job


def _model(job: Job) -> Any:
    common: dict[str, Any] = {"model": job.model, "max_retries": 0, "timeout": 20}
    match job.client:
        case "langchain-anthropic":
            return ChatAnthropic(base_url=job.base, api_key=job.key, **common)
        case "langchain-google-genai":
            return ChatGoogleGenerativeAI(base_url=job.base, google_api_key=job.key, **common)
        case name:
            base = f"{job.base}/v1"
            responses = name == "langchain-openai-responses"
            return ChatOpenAI(base_url=base, api_key=job.key, use_responses_api=responses, **common)


def run(job: Job) -> str:
    agent: Any = create_agent(_model(job), [tool(job.get_weather)])
    asked = {"messages": [("user", job.prompt)]}
    if not job.stream:
        return str(agent.invoke(asked)["messages"][-1].text)
    texts = []
    for chunk, _ in agent.stream(asked, stream_mode="messages"):
        if chunk.type == "AIMessageChunk":
            texts.append(str(chunk.text))
    return "".join(texts)
