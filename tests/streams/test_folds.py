"""The fold equalities of the canonical form, for every recorded answer.

``fold(unfold(response)) == response``; and what our own writers write, read back by the same
dialect and folded, is what went in, minus the losses the dialect declares.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from msgspec import Raw, Struct
from msgspec.structs import replace

from plexus.streaming.document import JsonBody
from plexus.transformers.base import Dialect
from plexus.transformers.capabilities import TargetModel
from plexus.unified.chunks import StreamChunk, check_grammar
from plexus.unified.content import (
    Content,
    Proof,
    RefusalContent,
    ServerToolCallContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.fold import fold, unfold
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import Choice, UnifiedChatResponse
from tests.fuzz.harness import DIALECTS, MINIMAL, client_call, wire_request
from tests.streams.corpus import Recorded, recorded, require_corpus

TARGET = TargetModel(provider="p", model="m", family="other")
ANSWERS = [found for name in DIALECTS for found in recorded(name) if found.status == 200]
READABLE = 240
"""Answers of the corpus that are no errors; the count keeps the tests below from running empty."""

Source = tuple[list[StreamChunk], UnifiedChatResponse]


def read_stream(dialect: Dialect, raw: bytes) -> list[StreamChunk]:
    decoder, parser = dialect.decoder(), dialect.stream_parser(wire_request(dialect, TARGET))
    chunks: list[StreamChunk] = []
    for frame in decoder.feed(raw) + decoder.close():
        chunks += parser.feed(frame)
    return chunks + parser.close()


def written_stream(client: Dialect, chunks: list[StreamChunk]) -> bytes:
    formatter, encoder = client.stream_formatter(asked(client)), client.encoder()
    frames = [frame for chunk in chunks for frame in formatter.feed(chunk)]
    return b"".join(map(encoder.encode, frames)) + encoder.end()


def asked(client: Dialect) -> UnifiedChatRequest:
    return client.parse_request(client_call(client.NAME, JsonBody.parse(MINIMAL[client.NAME])))


def source(found: Recorded) -> Source | None:
    """The recorded answer as chunks and folded; None when it is an error or was cut off."""
    dialect = DIALECTS[found.dialect]
    try:
        if found.stream:
            chunks = read_stream(dialect, found.body)
            return chunks, fold(chunks)
        response = dialect.parse_response(found.body, wire_request(dialect, TARGET))
    except PlexusError:
        return None
    return list(unfold(response)), response


def test_corpus_is_readable() -> None:
    require_corpus()
    assert sum(source(found) is not None for found in ANSWERS) >= READABLE


@pytest.mark.parametrize("found", ANSWERS, ids=lambda found: found.id)
def test_fold_of_unfold(found: Recorded) -> None:
    read = source(found)
    if read is None:
        return
    chunks, response = read
    check_grammar(chunks)
    again = list(unfold(response))
    check_grammar(again)
    assert fold(again) == response


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("found", ANSWERS, ids=lambda found: found.id)
def test_our_own_stream_read_back(found: Recorded, client: str) -> None:
    read = source(found)
    if read is None:
        return
    chunks, response = read
    back = read_stream(DIALECTS[client], written_stream(DIALECTS[client], chunks))
    check_grammar(back)
    _must_agree(response, fold(back), client)


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("found", ANSWERS, ids=lambda found: found.id)
def test_our_own_answer_read_back(found: Recorded, client: str) -> None:
    read = source(found)
    if read is None:
        return
    dialect = DIALECTS[client]
    body, _ = dialect.format_response(read[1], asked(dialect))
    _must_agree(read[1], dialect.parse_response(body, wire_request(dialect, TARGET)), client)


def _must_agree(response: UnifiedChatResponse, back: UnifiedChatResponse, client: str) -> None:
    if client == response.dialect:
        back_as_said = _as_much_as(response, back)
        assert _without_spelling(back_as_said) == _without_spelling(response)
    assert _meaning(back, response) == _meaning(response, response)


# --- the same dialect: everything but spelling ----------------------------------------------------


def _as_much_as(response: UnifiedChatResponse, back: UnifiedChatResponse) -> UnifiedChatResponse:
    """``back`` without what a Responses object always has and this provider did not say.

    A stream knows its service tier only at its end, where it is one of the members.
    """
    said = response.ext.get("openai-responses")
    if response.dialect != "openai-responses":
        return back
    fields = back.ext.get("openai-responses", {})
    kept = {name: value for name, value in fields.items() if name in (said or {})}
    usage = back.usage
    if usage is not None and response.usage is not None:
        counts = ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
        silent = {n: None for n in counts if getattr(response.usage, n) is None}
        usage = replace(usage, **silent)
    ext = {"openai-responses": kept} if said is not None else {}
    usage = usage if response.usage is not None else None
    return replace(back, ext=ext, usage=usage, service_tier=response.service_tier)


def _without_spelling(response: UnifiedChatResponse) -> UnifiedChatResponse:
    """Without what a dialect may spell in several ways, or fills in when it is missing.

    White space of arguments, who issued a proof (the wire does not say), the finish word of the
    deprecated function calls, ids and times that were absent, the id of thinking (a chat stream
    tells it with the signature, at the end); and chat puts text before calls.
    """
    choices = tuple(
        replace(
            choice,
            finish=replace(choice.finish, raw=None),
            message=replace(
                choice.message,
                content=tuple(sorted(_merged(choice), key=lambda part: type(part).__name__)),
            ),
        )
        for choice in response.choices
    )
    ext = {dialect: _values(fields) for dialect, fields in response.ext.items()}
    return replace(response, choices=choices, created=0, id="", ext=ext)


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    """Raw members by what they mean: frames are written without white space."""
    return {name: json.loads(bytes(raw)) for name, raw in fields.items()}


def _merged(choice: Choice) -> list[Content]:
    """Parts in plain spelling; text after a call is one with the text before it (chat)."""
    parts: list[Content] = []
    texts = [part for part in choice.message.content if isinstance(part, TextContent)]
    for part in choice.message.content:
        if isinstance(part, TextContent) and len(texts) > 1 and not any(t.citations for t in texts):
            continue
        parts.append(_plain(part))
    if len(texts) > 1 and not any(text.citations for text in texts):
        parts.append(TextContent(text="".join(text.text for text in texts)))
    return parts


def _plain(part: Content) -> Content:
    proof = part.proof
    if proof is not None:
        proof = Proof(proof.value, proof.kind, replace(proof.origin, provider="", model=""))
    if isinstance(part, ToolCallContent):
        part = replace(part, arguments=json.dumps(_arguments(part)))
    if isinstance(part, ThinkingContent):
        part = replace(part, id=None)
    if isinstance(part, ServerToolCallContent):
        part = replace(part, raw=Raw(msgspec.json.format(part.raw, indent=-1)))
    if isinstance(part, TextContent):
        part = replace(part, citations=tuple(replace(c, raw=None) for c in part.citations))
    return replace(part, proof=proof)


def _arguments(call: ToolCallContent) -> Any:
    try:
        return json.loads(call.arguments or "{}")
    except ValueError:
        return call.arguments


# --- another dialect: what it means ---------------------------------------------------------------

_NEAREST = {"refusal": "content_filter", "stop_sequence": "stop", "pause": "stop"}
"""Ends only one dialect has, and the word a client of the other reads."""

_LEGAL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


class _Meaning(Struct, frozen=True):
    text: str
    thinking: str
    calls: tuple[tuple[str, str, str], ...]
    urls: tuple[str | None, ...]
    finish: str
    prompt_tokens: int | None
    completion_tokens: int | None


def _meaning(response: UnifiedChatResponse, original: UnifiedChatResponse) -> _Meaning:
    """Text, thinking, calls, sources, end and tokens of the first choice.

    Further choices, audio, log-probabilities and server tools are declared losses.
    """
    choice = response.choices[0]
    parts = choice.message.content
    usage = response.usage if original.usage is not None else None
    calls = [part for part in parts if isinstance(part, ToolCallContent)]
    # Ids that one of the dialects would refuse are made anew.
    ids = {call.id for call in original.choices[0].message.tool_calls if _LEGAL_ID(call.id)}
    return _Meaning(
        text=_said(parts, TextContent) or _said(parts, RefusalContent),
        thinking="".join(_thought(part) for part in parts if isinstance(part, ThinkingContent)),
        calls=tuple(
            (call.id if call.id in ids else "", call.name, json.dumps(_input(call)))
            for call in calls
        ),
        urls=tuple(
            citation.url
            for part in parts
            if isinstance(part, TextContent)
            for citation in part.citations
            if citation.url is not None
        ),
        finish=_NEAREST.get(choice.finish.reason, choice.finish.reason),
        prompt_tokens=None if usage is None else usage.prompt_tokens,
        completion_tokens=None if usage is None else usage.completion_tokens,
    )


def _said(parts: Iterable[Content], kind: type[TextContent | RefusalContent]) -> str:
    return "".join(part.text for part in parts if isinstance(part, kind)).strip()


def _input(call: ToolCallContent) -> Any:
    """A custom tool's text is the member ``input`` where there are no custom tools."""
    return {"input": call.arguments} if call.kind == "custom" else _arguments(call)


def _thought(part: ThinkingContent) -> str:
    return "" if part.redacted else part.text or "\n\n".join(part.summary or ())
