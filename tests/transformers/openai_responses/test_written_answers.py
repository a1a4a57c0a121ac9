"""The usual whole answer is written without a stream's events; it says what they would say."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from msgspec import Raw

from plexus.streaming.document import JsonBody
from plexus.streaming.framing import readable
from plexus.transformers import openai_responses as responses
from plexus.transformers.openai_responses.response import by_stream
from plexus.transformers.openai_responses.whole import write_whole
from plexus.unified.content import (
    Citation,
    Content,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import UnifiedChatRequest
from plexus.unified.response import Choice, Finish, UnifiedChatResponse, UnifiedUsage
from tests.fuzz.harness import DIALECTS, TARGETS, client_call, wire_request
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import USUAL_ANSWERS, answers, requests
from tests.transformers.openai_responses.support import NAME, answered, parse


def asked() -> list[UnifiedChatRequest]:
    """Every request of the seeds and recordings that is one."""
    out = []
    for seed in requests(NAME):
        try:
            call = client_call(NAME, JsonBody.parse(json.dumps(seed).encode()))
            out.append(responses.parse_request(call))
        except PlexusError:
            pass
    return out


ASKED = asked()


def check(response: UnifiedChatResponse, request: UnifiedChatRequest) -> bool:
    """Whether the answer was a usual one."""
    if response.choices and response.choices[0].finish.reason in ("error", "malformed_tool_call"):
        return False
    found = write_whole(response, request)
    if found is not None:
        assert found == by_stream(response, request), response
    return found is not None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_answers_of_every_dialect(dialect: str) -> None:
    """Recorded, made up, and mutated."""
    upstream, random = DIALECTS[dialect], Random(17)
    wire = wire_request(upstream, TARGETS[0])
    seeds = answers(dialect) + 5 * USUAL_ANSWERS[dialect]
    mutator = Mutator(seeds, random)
    bodies = [json.dumps(seed).encode() for seed in seeds]
    bodies += [mutator.document() for _ in range(1500)]
    usual = other = 0
    for body in bodies:
        try:
            response = upstream.parse_response(readable(body), wire)
        except PlexusError:
            continue
        if check(response, random.choice(ASKED)):
            usual += 1
        else:
            other += 1
    assert usual > 100
    assert usual > other


EXT = {NAME: {"id": Raw(b'"msg_9"'), "phase": Raw(b'"commentary"'), "odd": Raw(b"1")}}
CUT = {NAME: {"id": Raw(b'"msg_8"'), "status": Raw(b'"incomplete"')}}
PROOFS = (
    None,
    Proof("p", "encrypted", Origin("openai")),
    Proof("s", "signature", Origin("anthropic")),
)
CITED = (
    Citation(kind="url", url="https://e", title="t"),
    Citation(kind="document_char", cited_text="c"),
    Citation(kind="url", dialect=NAME, url="u", raw=Raw(b'{"type":"url_citation"}')),
)


def some_part(random: Random) -> Content:
    text = random.choice(("", "one", "zwei\n"))
    proof = random.choice(PROOFS * 2)
    ext: Any = random.choice(({}, {}, EXT, CUT, {"gemini": {"x": Raw(b"1")}}))
    if random.random() < 0.02:
        return OpaqueContent(dialect=NAME, raw=Raw(b'{"type":"odd"}'))
    kind = random.randrange(5)
    if kind < 2:
        cited = CITED[: random.randrange(4)]
        return TextContent(text=text, citations=cited, proof=proof, ext=ext)
    if kind == 2:
        return RefusalContent(text=text, proof=proof, ext=ext)
    if kind == 3:
        return ThinkingContent(
            text=text,
            summary=random.choice((None, ("",), ("a", "", "b"))),
            redacted=random.random() < 0.05,
            id=random.choice((None, "rs_1")),
            proof=proof,
            ext=ext,
        )
    return ToolCallContent(
        id=random.choice(("call_1", "c" * 70)),
        name=random.choice(("f", "space__f", "other")),
        arguments=random.choice(("", '{"a":1}')),
        kind=random.choice(("function", "custom")),
        namespace=random.choice((None, None, "space")),
        item_id=random.choice((None, "fc_7")),
        proof=proof,
        ext=ext,
    )


FINISHES = (
    Finish("stop"),
    Finish("length"),
    Finish("tool_calls"),
    Finish("refusal"),
    Finish("pause"),
    Finish("stop_sequence", stop_sequence="END"),
    Finish("other", raw="queued", detail=Raw(b'{"reason":"x"}')),
)
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}
REQUESTS = (
    parse(),
    parse(instructions="Be brief.", text={"verbosity": "low"}, reasoning={"effort": "low"}),
    parse(tools=[{"type": "namespace", "name": "space", "tools": [FUNCTION]}], tool_choice="auto"),
    parse(reasoning={"summary": "auto"}, include=["reasoning.encrypted_content"], metadata={}),
)


def test_made_up_answers() -> None:
    random = Random(19)
    usual = 0
    for _ in range(4000):
        parts = [some_part(random) for _ in range(random.randrange(6))]
        fields: dict[str, Any] = {
            "dialect": random.choice(("openai-chat", NAME)),
            "service_tier": random.choice((None, "default", "odd")),
            "usage": random.choice((None, UnifiedUsage(prompt_tokens=3, completion_tokens=4))),
            "ext": random.choice(({}, {}, {NAME: {"store": Raw(b"true")}})),
        }
        response = answered(*parts, finish=random.choice(FINISHES), **fields)
        usual += check(response, random.choice(REQUESTS))
    assert 3000 < usual < 4000


def test_log_probabilities_go_to_the_first_text() -> None:
    tokens = Raw(b'{"content":[{"token":"a"}]}')
    message = answered(ThinkingContent(text="t"), TextContent(text=""), TextContent(text="a"))
    for raw in (tokens, Raw(b"null"), Raw(b'"odd"')):
        choice = message.choices[0]
        own = Choice(message=choice.message, finish=choice.finish, logprobs=raw)
        response = UnifiedChatResponse(id="r", model="m", choices=(own,), dialect="openai-chat")
        assert check(response, REQUESTS[0])


def test_other_choices_and_parts_go_the_long_way() -> None:
    text = answered(TextContent(text="a")).choices[0]
    second = Choice(index=1, message=text.message, finish=text.finish)
    for choices in ((), (second,), (text, second)):
        response = UnifiedChatResponse(id="r", model="m", choices=choices)
        assert write_whole(response, REQUESTS[0]) is None
        responses.format_response(response, REQUESTS[0])
