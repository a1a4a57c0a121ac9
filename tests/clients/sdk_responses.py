"""openai-python's Responses API as a client; the items of a turn go back as they came."""

from __future__ import annotations

import json
from typing import Any

import openai

from tests.clients.scenarios import IMAGE_URL, PNG
from tests.clients.sdk import SYSTEM, TOOLS, Ask, Failed, Json, Outcome, Result, Turn
from tests.clients.sdk_openai import OpenAIPython, Weather, connect, failed

IMAGE = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
WHOLE = ("response.completed", "response.incomplete")


class OpenAIPythonResponses(OpenAIPython):
    name = "openai-python-responses"
    dialect = "openai-responses"

    def run(self, ask: Ask) -> Outcome:
        seen: list[str] = []
        turns: list[Turn] = []
        client = connect(ask.base, ask.key)
        try:
            items = [_user(ask)]
            turns.append(_turn(client, ask, items, seen))
            if ask.results:
                turns.append(_turn(client, ask, items, seen))
        except openai.OpenAIError as problem:
            return Outcome(turns, failed(problem, "".join(seen)))
        ended = turns[-1].finish
        if isinstance(ended, str) and ended.startswith("failed: "):
            # The SDK raises neither of the two events, it hands them out.
            return Outcome([], _told(ended, "".join(seen)))
        return Outcome(turns)


def _told(ended: str, text: str) -> Failed:
    message = ended.removeprefix("failed: ")
    return Failed("response.failed", None, message, None, None, None, None, text)


def _user(ask: Ask) -> Json:
    if not ask.image:
        return {"role": "user", "content": ask.prompt}
    url = {"type": "input_image", "image_url": IMAGE_URL, "detail": "auto"}
    text = {"type": "input_text", "text": ask.prompt}
    return {"role": "user", "content": [text, IMAGE, url]}


def _options(ask: Ask, items: list[Any]) -> Json:
    options: Json = {"model": ask.model, "instructions": SYSTEM, "input": items}
    if ask.tools:
        options["tools"] = [
            {
                "type": "function",
                "name": tool["name"],
                "description": tool["description"],
                "parameters": tool["schema"],
                "strict": False,
            }
            for tool in TOOLS
        ]
    if ask.thinking:
        options["reasoning"] = {"effort": "high", "summary": "auto"}
        options |= {"include": ["reasoning.encrypted_content"], "store": False}
    if ask.schema:
        options["text_format"] = Weather
    return options


def _turn(client: openai.OpenAI, ask: Ask, items: list[Any], seen: list[str]) -> Turn:
    """One answer; appends its items and the results of its calls to ``items``."""
    del seen[:]
    options = _options(ask, items)
    match ask.mode:
        case "json" if ask.schema:
            answer: Any = client.responses.parse(**options)
        case "json":
            answer = client.responses.create(**options)
        case "helper":
            with client.responses.stream(**options) as stream:
                ended = _read(stream, seen)
                if ended is None or ended.type not in WHOLE:
                    return _ended(ended, seen)
                answer = stream.get_final_response()
        case _:
            with client.responses.create(stream=True, **options) as stream:
                return _ended(_read(stream, seen), seen)
    items += answer.output
    calls = [item for item in answer.output if item.type == "function_call"]
    items += [_result(call.call_id, ask.results[call.name]) for call in calls if ask.results]
    return _note(answer, seen)


def _read(stream: Any, seen: list[str]) -> Any:
    """The last event."""
    last = None
    for last in stream:
        if last.type == "response.output_text.delta":
            seen.append(last.delta)
    return last


def _ended(last: Any, seen: list[str]) -> Turn:
    """What a stream read to its end shows; without a last event it has simply stopped."""
    response = getattr(last, "response", None)
    if response is not None and last.type in WHOLE:
        found = _note(response, seen)
        return Turn(
            "".join(seen), found.finish, found.model, [], None, [], None, None, None, len(seen)
        )
    error = last if response is None else response.error
    said = getattr(error, "message", None)
    finish = None if said is None else f"failed: {said}"
    return Turn("".join(seen), finish, "", [], None, [], None, None, None, len(seen))


def _result(call: str, result: Result) -> Json:
    output: Any = result.text
    if result.picture:
        output = [{"type": "input_text", "text": result.text}, IMAGE]
    return {"type": "function_call_output", "call_id": call, "output": output}


def _note(answer: Any, seen: list[str]) -> Turn:
    thoughts = [item for item in answer.output if item.type == "reasoning"]
    parsed = getattr(answer, "output_parsed", None)
    reason = answer.incomplete_details.reason if answer.incomplete_details else None
    return Turn(
        text=answer.output_text,
        finish=reason or answer.status,
        model=answer.model,
        calls=[
            {"id": item.call_id, "name": item.name, "arguments": json.loads(item.arguments)}
            for item in answer.output
            if item.type == "function_call"
        ],
        thinking="".join(part.text for item in thoughts for part in item.summary) or None,
        redacted=[],
        usage={
            "input": answer.usage.input_tokens,
            "cached": answer.usage.input_tokens_details.cached_tokens,
            "output": answer.usage.output_tokens,
        },
        parsed=None if parsed is None else parsed.model_dump(),
        request_id=getattr(answer, "_request_id", None),
        pieces=len(seen),
    )
