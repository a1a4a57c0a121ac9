"""LlamaIndex's function agent on ``OpenAILike``."""

from __future__ import annotations

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

from tests.clients.py.driver import LOOP, Job


def run(job: Job) -> str:
    return LOOP.run(_run(job))


async def _run(job: Job) -> str:
    llm = OpenAILike(
        model=job.model,
        api_base=f"{job.base}/v1",
        api_key=job.key,
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=0,
    )
    tool = FunctionTool.from_defaults(job.get_weather)
    agent = FunctionAgent(tools=[tool], llm=llm, streaming=job.stream)
    return str(await agent.run(job.prompt))
