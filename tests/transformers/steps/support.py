"""What the tests of the steps share: requests, edits of bodies, and whole translations."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.base import ClientCall, Dialect, Step, WireStep
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.translation import Passthrough, Prepared, Translate
from plexus.unified.chunks import StreamChunk, check_grammar
from plexus.unified.content import Content, TextContent
from plexus.unified.fold import fold, unfold
from plexus.unified.request import Source, UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import Choice, Finish, FinishReason, UnifiedChatResponse

Json = dict[str, Any]

TARGET = TargetModel(provider="p", model="m", family="openai")
ASK: Json = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
DIALECTS: tuple[Dialect, ...] = (openai_chat, anthropic_messages)


def request(*messages: UnifiedMessage, **fields: Any) -> UnifiedChatRequest:
    """A chat client's request; a greeting when it has no messages."""
    asked = messages or (message("user", TextContent(text="hi")),)
    given: Json = {"model": "m", "source": Source(dialect="openai-chat"), **fields}
    return UnifiedChatRequest(messages=asked, **given)


def message(role: Any, *content: Content) -> UnifiedMessage:
    return UnifiedMessage(role=role, content=content)


def answer(*parts: Content, finish: FinishReason = "stop") -> UnifiedChatResponse:
    """A provider's answer with one choice."""
    choice = Choice(message=message("assistant", *parts), finish=Finish(finish))
    return UnifiedChatResponse(id="r_1", model="m", choices=(choice,), dialect="openai-chat")


def parts(response: UnifiedChatResponse, choice: int = 0) -> tuple[Content, ...]:
    return response.choices[choice].message.content


def edited(step: WireStep, body: object, dialect: str = "openai-chat") -> Any:
    """A provider's body after one wire step, decoded."""
    return json.loads(edited_bytes(step, json.dumps(body).encode(), dialect))


def edited_bytes(step: WireStep, body: bytes, dialect: str = "openai-chat") -> bytes:
    document = JsonBody.parse(body)
    return document.edit(step.edit(document, dialect))


def staged(step: Step, chunks: Iterable[StreamChunk]) -> list[StreamChunk]:
    """A stream after one step; its grammar is checked."""
    stage = step.stream()
    assert stage is not None
    out = [done for chunk in chunks for done in stage.feed(chunk)] + stage.close()
    check_grammar(out)
    return out


def both(step: Step, response: UnifiedChatResponse) -> UnifiedChatResponse:
    """The answer after one step, once as JSON and once as a stream: they must agree."""
    whole = step.response(response)
    assert fold(staged(step, unfold(response))) == whole
    return whole


def prepared(
    client: Dialect,
    upstream: Dialect,
    body: Json,
    *,
    target: TargetModel = TARGET,
    steps: Sequence[Step] = (),
    wire_steps: Sequence[WireStep] = (),
) -> Prepared:
    """One attempt; a same-dialect one without unified steps is passed through."""
    call = ClientCall(
        model="m",
        stream=bool(body.get("stream")),
        body=JsonBody.parse(json.dumps(body).encode()),
        source=Source(dialect=client.NAME, request_id="req_1", received=1),
    )
    if client is upstream and not steps:
        return Passthrough(upstream, target, tuple(wire_steps)).prepare(call)
    return Translate(client, upstream, target, tuple(steps), tuple(wire_steps)).prepare(call)


def sent(attempt: Prepared) -> Json:
    """The provider's body, decoded."""
    body: Json = json.loads(attempt.wire.body)
    return body


def sse(*chunks: Json, done: bool = True) -> bytes:
    """A chat provider's stream."""
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def delta(finish: str | None = None, choice: int = 0, **fields: Any) -> Json:
    """One chunk of a chat provider's stream."""
    inner = {"index": choice, "delta": fields, "finish_reason": finish}
    return {"id": "c_1", "object": "chat.completion.chunk", "model": "m", "choices": [inner]}


def call_delta(index: int, arguments: str = "", **fields: Any) -> Json:
    """An entry of ``delta.tool_calls``; ``id`` and ``name`` where it opens a call."""
    name = fields.pop("name", None)
    function = {"arguments": arguments} | ({} if name is None else {"name": name})
    return {"index": index, "type": "function", "function": function, **fields}


def streamed(attempt: Prepared, data: bytes, sizes: Sequence[int] = ()) -> bytes:
    """What the client gets when ``data`` comes in pieces of ``sizes``, the rest in one."""
    stream = attempt.stream()
    out, at = [], 0
    for size in sizes:
        out.append(stream.feed(data[at : at + size]))
        at += size
    return b"".join([*out, stream.feed(data[at:]), stream.close()])


def split_everywhere(attempt: Prepared, data: bytes) -> bytes:
    """What the client gets, the same whole and byte by byte."""
    whole = streamed(attempt, data)
    assert streamed(attempt, data, [1] * len(data)) == whole
    return whole


def events(data: bytes) -> list[Json]:
    """The JSON of a client's stream, in order."""
    lines = data.decode().splitlines()
    texts = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(text) for text in texts if text != "[DONE]"]


def choice_deltas(data: bytes) -> list[Json]:
    """The choices of a chat client's stream, in order."""
    return [choice for event in events(data) for choice in event["choices"]]


def said(data: bytes, field: str = "content") -> str:
    """A chat client's text, or its reasoning."""
    return "".join(choice["delta"].get(field) or "" for choice in choice_deltas(data))
