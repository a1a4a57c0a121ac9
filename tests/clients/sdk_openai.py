"""openai-python as a client."""

from __future__ import annotations

import functools
import json
from typing import Any

import openai
from pydantic import BaseModel

from tests.clients.scenarios import IMAGE_URL, PNG
from tests.clients.sdk import OPEN, SYSTEM, TOOLS, Ask, Failed, Json, Outcome, Turn


@functools.cache
def connect(base: str, key: str) -> openai.OpenAI:
    """Kept, since making one reads all certificates of the machine."""
    client = openai.OpenAI(base_url=base, api_key=key, max_retries=0, timeout=20)
    OPEN.append(client)
    return client


class Weather(BaseModel):
    city: str
    degrees: int


class OpenAIPython:
    name = "openai-python"
    dialect = "openai-chat"
    path = "/v1"

    def run(self, ask: Ask) -> Outcome:
        seen: list[str] = []
        turns: list[Turn] = []
        client = connect(ask.base, ask.key)
        try:
            messages = [{"role": "system", "content": SYSTEM}, _user(ask)]
            turns.append(_turn(client, ask, messages, seen))
            if ask.results:
                turns.append(_turn(client, ask, messages, seen))
        except openai.OpenAIError as problem:
            return Outcome(turns, failed(problem, "".join(seen)))
        return Outcome(turns)

    def models(self, ask: Ask) -> list[str]:
        client = connect(ask.base, ask.key)
        listed = [model.id for model in client.models.list()]
        return [*listed, client.models.retrieve(ask.model).id]


def _user(ask: Ask) -> Json:
    if not ask.image:
        return {"role": "user", "content": ask.prompt}
    urls = (f"data:image/png;base64,{PNG}", IMAGE_URL)
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"role": "user", "content": [{"type": "text", "text": ask.prompt}, *images]}


def _options(ask: Ask) -> Json:
    options: Json = {"model": ask.model}
    if ask.tools:
        options["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool["name"],
                    "description": tool["description"],
                    "parameters": tool["schema"],
                },
            }
            for tool in TOOLS
        ]
    if ask.thinking:
        options["reasoning_effort"] = "high"
    if ask.schema:
        options["response_format"] = Weather
    return options


def _turn(client: openai.OpenAI, ask: Ask, messages: list[Any], seen: list[str]) -> Turn:
    """One answer; appends it and the results of its calls to ``messages``."""
    del seen[:]
    match ask.mode:
        case "json" if ask.schema:
            answer: Any = client.chat.completions.parse(messages=messages, **_options(ask))
        case "json":
            answer = client.chat.completions.create(messages=messages, **_options(ask))
        case "helper":
            with client.chat.completions.stream(
                messages=messages, stream_options={"include_usage": True}, **_options(ask)
            ) as stream:
                deltas = (event.delta for event in stream if event.type == "content.delta")
                seen.extend(delta for delta in deltas if delta)
                answer = stream.get_final_completion()
        case _:
            return _iterate(client, ask, messages, seen)
    message = answer.choices[0].message
    messages.append(message)
    for call in message.tool_calls or ():
        result = ask.results.get(call.function.name)
        if result is not None:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result.text})
    return _note(answer, seen)


def _iterate(client: openai.OpenAI, ask: Ask, messages: list[Any], seen: list[str]) -> Turn:
    finish, model, usage = None, "", None
    with client.chat.completions.create(messages=messages, stream=True, **_options(ask)) as stream:
        for chunk in stream:
            model, usage = chunk.model, chunk.usage or usage
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                if choice.delta.content:
                    seen.append(choice.delta.content)
    return Turn("".join(seen), finish, model, [], None, [], _usage(usage), None, None, len(seen))


def _note(answer: Any, seen: list[str]) -> Turn:
    choice = answer.choices[0]
    message = choice.message
    extra = message.model_extra or {}
    parsed = getattr(message, "parsed", None)
    details = extra.get("reasoning_details") or ()
    return Turn(
        text=message.content or "",
        finish=choice.finish_reason,
        model=answer.model,
        calls=[
            {
                "id": call.id,
                "name": call.function.name,
                "arguments": json.loads(call.function.arguments),
            }
            for call in message.tool_calls or ()
        ],
        thinking=extra.get("reasoning_content"),
        redacted=[entry["data"] for entry in details if entry["type"] == "reasoning.encrypted"],
        usage=_usage(answer.usage),
        parsed=None if parsed is None else parsed.model_dump(),
        request_id=getattr(answer, "_request_id", None),
        pieces=len(seen),
    )


def _usage(usage: Any) -> Json | None:
    if usage is None:
        return None
    details = usage.prompt_tokens_details
    return {
        "input": usage.prompt_tokens,
        "cached": details.cached_tokens if details else 0,
        "output": usage.completion_tokens,
    }


def failed(problem: openai.OpenAIError, text: str) -> Failed:
    response = getattr(problem, "response", None)
    return Failed(
        name=type(problem).__name__,
        status=getattr(problem, "status_code", None),
        message=str(problem),
        type=getattr(problem, "type", None),
        code=getattr(problem, "code", None),
        request_id=getattr(problem, "request_id", None),
        retry_after=None if response is None else response.headers.get("retry-after"),
        text=text,
    )
