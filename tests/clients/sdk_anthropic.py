"""anthropic-python as a client."""

from __future__ import annotations

import functools
from typing import Any

import anthropic
import httpx2

from tests.clients.scenarios import IMAGE_URL, PNG
from tests.clients.sdk import OPEN, SYSTEM, TOOLS, Ask, Failed, Json, Outcome, Result, Turn
from tests.clients.sdk_openai import Weather

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}


class AnthropicPython:
    name = "anthropic-python"
    dialect = "anthropic-messages"
    path = ""

    def run(self, ask: Ask) -> Outcome:
        seen: list[str] = []
        turns: list[Turn] = []
        client = connect(ask.base, ask.key)
        try:
            messages = [_user(ask)]
            if ask.mode.startswith("loop"):
                turns.append(_loop(client, ask, messages))
                return Outcome(turns)
            turns.append(_turn(client, ask, messages, seen))
            if ask.results:
                turns.append(_turn(client, ask, messages, seen))
        # The SDK lets the transport's errors through inside a stream.
        except (anthropic.AnthropicError, httpx2.HTTPError) as problem:
            return Outcome(turns, _failed(problem, "".join(seen)))
        return Outcome(turns)

    def models(self, ask: Ask) -> list[str]:
        client = connect(ask.base, ask.key)
        listed = [model.id for model in client.models.list()]
        return [*listed, client.models.retrieve(ask.model).id]


@functools.cache
def connect(base: str, key: str) -> anthropic.Anthropic:
    """Kept, since making one reads all certificates of the machine."""
    client = anthropic.Anthropic(base_url=base, api_key=key, max_retries=0, timeout=20)
    OPEN.append(client)
    return client


def _user(ask: Ask) -> Json:
    if not ask.image:
        return {"role": "user", "content": ask.prompt}
    url = {"type": "image", "source": {"type": "url", "url": IMAGE_URL}}
    return {"role": "user", "content": [{"type": "text", "text": ask.prompt}, IMAGE, url]}


def _options(ask: Ask) -> Json:
    options: Json = {"model": ask.model, "max_tokens": 4096, "system": SYSTEM}
    if ask.tools:
        options["tools"] = [
            {
                "name": tool["name"],
                "description": tool["description"],
                "input_schema": tool["schema"],
            }
            for tool in TOOLS
        ]
    if ask.thinking:
        options["thinking"] = {"type": "adaptive", "display": "summarized"}
        options["output_config"] = {"effort": "high"}
    if ask.schema:
        options["output_format"] = Weather
    return options


def _turn(client: anthropic.Anthropic, ask: Ask, messages: list[Any], seen: list[str]) -> Turn:
    """One answer; appends it and the results of its calls to ``messages``."""
    del seen[:]
    match ask.mode:
        case "json" if ask.schema:
            answer: Any = client.messages.parse(messages=messages, **_options(ask))
        case "json":
            answer = client.messages.create(messages=messages, **_options(ask))
        case "helper":
            with client.messages.stream(messages=messages, **_options(ask)) as stream:
                seen.extend(event.text for event in stream if event.type == "text")
                answer = stream.get_final_message()
        case _:
            return _iterate(client, ask, messages, seen)
    messages.append({"role": "assistant", "content": answer.content})
    calls = [block for block in answer.content if block.type == "tool_use"]
    results = [_result(call.id, ask.results[call.name]) for call in calls if ask.results]
    if results:
        messages.append({"role": "user", "content": results})
    return _note(answer, seen)


def _result(call: str, result: Result) -> Json:
    block: Json = {"type": "tool_result", "tool_use_id": call, "content": result.text}
    if result.is_error:
        block["is_error"] = True
    if result.picture:
        block["content"] = [{"type": "text", "text": result.text}, IMAGE]
    return block


def _iterate(client: anthropic.Anthropic, ask: Ask, messages: list[Any], seen: list[str]) -> Turn:
    finish, model = None, ""
    with client.messages.create(messages=messages, stream=True, **_options(ask)) as stream:
        for event in stream:
            if event.type == "message_start":
                model = event.message.model
            elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                seen.append(event.delta.text)
            elif event.type == "message_delta":
                finish = event.delta.stop_reason
    return Turn("".join(seen), finish, model, [], None, [], None, None, None, len(seen))


def _loop(client: anthropic.Anthropic, ask: Ask, messages: list[Any]) -> Turn:
    """The tool runner of the beta methods, which send ``?beta=true``."""

    def tool(name: str, description: str, schema: Json) -> Any:
        def run(**arguments: object) -> str:
            return ask.results[name].text

        return anthropic.beta_tool(run, name=name, description=description, input_schema=schema)

    options = _options(ask)
    options["tools"] = [tool(each["name"], each["description"], each["schema"]) for each in TOOLS]
    runner = client.beta.messages.tool_runner(
        messages=messages, stream=ask.mode == "loop-stream", **options
    )
    return _note(runner.until_done(), [])


def _note(answer: Any, seen: list[str]) -> Turn:
    def blocks(kind: str) -> list[Any]:
        return [block for block in answer.content if block.type == kind]

    thoughts = blocks("thinking")
    parsed = getattr(answer, "parsed_output", None)
    return Turn(
        text="".join(block.text for block in blocks("text")),
        finish=answer.stop_reason,
        model=answer.model,
        calls=[
            {"id": call.id, "name": call.name, "arguments": call.input}
            for call in blocks("tool_use")
        ],
        thinking="".join(block.thinking for block in thoughts) if thoughts else None,
        redacted=[block.data for block in blocks("redacted_thinking")],
        usage=_usage(answer.usage),
        parsed=None if parsed is None else parsed.model_dump(),
        request_id=getattr(answer, "_request_id", None),
        pieces=len(seen),
    )


def _usage(usage: Any) -> Json:
    cached = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    return {
        "input": usage.input_tokens + cached + written,
        "cached": cached,
        "output": usage.output_tokens,
    }


def _failed(problem: Exception, text: str) -> Failed:
    response = getattr(problem, "response", None)
    body = getattr(problem, "body", None)
    inner = body.get("error", {}) if isinstance(body, dict) else {}
    return Failed(
        name=type(problem).__name__,
        status=getattr(problem, "status_code", None),
        message=str(problem),
        type=inner.get("type"),
        code=None,
        request_id=getattr(problem, "request_id", None),
        retry_after=None if response is None else response.headers.get("retry-after"),
        text=text,
    )
