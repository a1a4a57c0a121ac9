"""Thought signatures: whose they are, where they stand, and that Google never sees foreign ones."""

import base64
import json
from typing import Any

import pytest
from msgspec.structs import replace

from plexus.transformers import anthropic_messages, gemini, openai_chat
from plexus.transformers.base import Dialect
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.gemini.signatures import (
    ENVELOPE_MARK,
    opened,
    read_signature,
    write_signature,
)
from plexus.transformers.proofs import SENTINEL, seal
from plexus.unified.content import (
    Content,
    Origin,
    Proof,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.fold import fold, unfold
from plexus.unified.request import Source, UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import UnifiedChatResponse
from tests.transformers.gemini.support import (
    CLAUDE,
    OWN,
    SEALED,
    TARGET,
    a_call,
    a_result,
    answer,
    answered,
    asked,
    call,
    completion,
    contents,
    folded,
    model,
    noted,
    parse,
    results,
    sent,
    shown,
    sse,
    streamed_parts,
    target,
    user,
    wire,
    written,
)

CALL_PART = {"functionCall": {"name": "f", "args": {}}}


def enveloped(proof: Proof) -> str:
    return base64.b64encode(seal(proof).encode()).decode()


# -- the field -----------------------------------------------------------------------------------


@pytest.mark.parametrize("proof", [CLAUDE, SEALED, Proof("x" * 500, "signature", Origin("xai"))])
@pytest.mark.parametrize("alphabet", ["standard", "url-safe", "unpadded"])
def test_T28_envelopes_are_base64_and_compared_decoded(proof: Proof, alphabet: str) -> None:
    """Google's SDK decodes the field and sends it back url-safe."""
    value = write_signature(proof)
    data = base64.b64decode(value, validate=True)
    back = {
        "standard": value,
        "url-safe": base64.urlsafe_b64encode(data).decode(),
        "unpadded": value.rstrip("="),
    }[alphabet]
    assert opened(back) == data.decode()
    assert read_signature(back, Origin("gemini")) == Proof(
        proof.value, proof.kind, Origin(proof.origin.family)
    )
    assert f'"{value}"'.encode().startswith(ENVELOPE_MARK)


@pytest.mark.parametrize("value", ["c2ln", "not base64!", SENTINEL, "cGx4", "\u00e9"])
def test_what_is_googles_stays_as_it_is(value: str) -> None:
    proof = read_signature(value, Origin("gemini"))
    assert proof == Proof(value, "signature", Origin("gemini"))
    assert write_signature(proof) == value


def test_nothing_is_no_proof() -> None:
    assert read_signature(None, Origin("gemini")) is None
    assert read_signature("", Origin("gemini")) is None
    empty = base64.b64encode(seal(Proof("", "signature", Origin("x"))).encode()).decode()
    assert read_signature(empty, Origin("gemini")) is None


# -- to Google -----------------------------------------------------------------------------------


def signatures(parts: list[Any]) -> list[str | None]:
    return [part.get("thoughtSignature") for part in parts]


def test_T26_a_signature_stays_on_its_part() -> None:
    found = sent(
        user("go"),
        model(
            ThinkingContent(text="Hm", proof=OWN),
            TextContent(text="so", proof=replace(OWN, value="dGV4dA==")),
            a_call("c1", proof=replace(OWN, value="Y2FsbA==")),
            a_call("c2"),
        ),
    )
    assert signatures(found[1]["parts"]) == ["c2ln", "dGV4dA==", "Y2FsbA==", None]


def test_the_sentinel_stands_on_the_first_call_of_each_unsigned_step() -> None:
    found = sent(
        user("go"),
        model("ok", a_call("c1"), a_call("c2")),
        results(a_result("c1"), a_result("c2")),
        model(a_call("c3", proof=OWN), a_call("c4")),
        results(a_result("c3"), a_result("c4")),
        model(a_call("c5")),
    )
    assert signatures(found[1]["parts"]) == [None, SENTINEL, None]
    assert signatures(found[3]["parts"]) == ["c2ln", None]
    assert signatures(found[5]["parts"]) == [SENTINEL]


def test_T22_foreign_proofs_never_reach_google() -> None:
    request = asked(
        user("go"),
        model(
            ThinkingContent(text="Hm", proof=CLAUDE),
            ThinkingContent(redacted=True, proof=SEALED),
            TextContent(text="so", proof=SEALED),
            a_call("c1", proof=CLAUDE),
        ),
    )
    parts = wire(request)["contents"][1]["parts"]
    assert parts == [
        {"text": "so"},
        {"functionCall": {"id": "c1", "name": "f", "args": {}}, "thoughtSignature": SENTINEL},
    ]
    assert noted(request)[0] == "part.thinking.foreign"


def test_thoughts_without_a_signature_are_left_out_silently() -> None:
    request = asked(user("go"), model(ThinkingContent(text="Hm"), "so"))
    assert wire(request)["contents"][1]["parts"] == [{"text": "so"}]
    assert noted(request) == []


def test_a_clients_own_unsigned_calls_are_left_alone() -> None:
    """Gemini 2.5 asks for no signatures."""
    body = {"contents": [*contents(), *contents(CALL_PART, role="model")]}
    assert wire(parse(body)) == body


def test_a_conversation_that_another_model_began() -> None:
    body = {
        "contents": [
            *contents(),
            *contents(
                {"text": "Hm", "thought": True, "thoughtSignature": enveloped(CLAUDE)},
                {**CALL_PART, "thoughtSignature": enveloped(SEALED)},
                CALL_PART,
                role="model",
            ),
        ]
    }
    parts = wire(parse(body))["contents"][1]["parts"]
    assert parts == [{**CALL_PART, "thoughtSignature": SENTINEL}, CALL_PART]


def test_passed_through_without_envelopes() -> None:
    body = {
        "contents": [
            *contents({"text": "a  b"}),
            *contents(
                {"text": "Hm", "thought": True, "thoughtSignature": enveloped(CLAUDE)},
                {"text": "so", "thought_signature": enveloped(SEALED)},
                {**CALL_PART, "thoughtSignature": enveloped(SEALED)},
                {**CALL_PART, "thoughtSignature": "c2ln"},
                role="model",
            ),
        ],
        "generationConfig": {"temperature": 1.0},
    }
    raw = json.dumps(body, indent=1).encode()
    made = gemini.passthrough(call(raw), TARGET)
    found = json.loads(made.body)
    assert found["contents"][1]["parts"] == [
        {"text": "so"},
        {**CALL_PART, "thoughtSignature": SENTINEL},
        {**CALL_PART, "thoughtSignature": "c2ln"},
    ]
    assert found["contents"][0] == body["contents"][0]
    tail = made.body.partition(b'"generationConfig"')[2]
    assert tail == raw.partition(b'"generationConfig"')[2]


@pytest.mark.parametrize("broken", [b"1", b"[1]", b'[{"parts":[1]}]', b'[{"parts":{"text":"a"}}]'])
def test_what_is_malformed_is_passed_on(broken: bytes) -> None:
    raw = b'{"contents":%b,"x":%b11"}' % (broken, ENVELOPE_MARK)
    assert gemini.passthrough(call(raw), TARGET).body == raw


def test_the_model_in_a_body_is_replaced() -> None:
    raw = b'{"model": "models/alias", "contents": []}'
    made = gemini.passthrough(call(raw, stream=True), TARGET)
    assert made.body == b'{"model": "models/m-1", "contents": []}'
    assert made.path == "/models/m-1:streamGenerateContent?alt=sse"


# -- to a client of this dialect, and back -------------------------------------------------------

ANSWERS: dict[str, tuple[Content, ...]] = {
    "thinking, text, call": (
        ThinkingContent(text="Hm", proof=CLAUDE),
        TextContent(text="so"),
        a_call("toolu_1"),
    ),
    "two thoughts": (
        ThinkingContent(text="One", proof=CLAUDE),
        ThinkingContent(text="Two", proof=replace(CLAUDE, value="Mg==")),
        a_call("toolu_1"),
        a_call("toolu_2"),
    ),
    "redacted before a call": (
        ThinkingContent(redacted=True, proof=replace(CLAUDE, kind="encrypted")),
        a_call("toolu_1"),
    ),
    "redacted before text": (
        ThinkingContent(redacted=True, proof=replace(CLAUDE, kind="encrypted")),
        TextContent(text="so"),
    ),
    "encrypted with a summary": (
        ThinkingContent(text="Hm", proof=SEALED),
        a_call("call_1"),
    ),
    "encrypted without words": (ThinkingContent(proof=SEALED), a_call("call_1")),
    "nothing behind it": (TextContent(text="so"), ThinkingContent(proof=SEALED)),
}


def normal(parts: tuple[Content, ...]) -> list[Any]:
    """Kinds, words and proofs, without origins' names and ids."""
    out: list[Any] = []
    for part in parts:
        proof = None if part.proof is None else (part.proof.value, part.proof.origin.family)
        match part:
            case ToolCallContent(id=call_id):
                out.append(("call", call_id, proof))
            case ThinkingContent(text=text, summary=summary):
                out.append(("thinking", text or "".join(summary or ()), proof))
            case TextContent(text=text) if text:
                last = out[-1] if out else None
                if last is not None and last[0] == "text":
                    out[-1] = ("text", last[1] + text, last[2])
                else:
                    out.append(("text", text, proof))
    return out


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("way", ["json", "stream", "stream kept as contents"])
def test_proofs_of_others_survive_a_client(name: str, way: str) -> None:
    """A client echoes the parts as they came: the second turn has what the first one said."""
    response = answered(*ANSWERS[name], finish="stop")
    if way == "json":
        turns = [{"role": "model", "parts": shown(response)}]
    else:
        events = written(response)
        turns = [event["candidates"][0]["content"] for event in events]
        if way == "stream":
            turns = [{"role": "model", "parts": streamed_parts(events)}]
    request = parse(contents=[*contents(), *turns])
    assert request.messages[1].role == "assistant"
    found = normal(request.messages[1].content)
    expected = normal(ANSWERS[name])
    if name == "redacted before text" or name == "nothing behind it":
        # Where the proof stands beside text says nothing.
        assert sorted(found) == sorted(expected)
    else:
        assert found == expected


def test_a_client_that_drops_thoughts_keeps_the_wordless_proof() -> None:
    """It rides on the call behind it (mappings.md §12)."""
    response = answered(*ANSWERS["encrypted without words"])
    kept = [part for part in shown(response) if not part.get("thought")]
    assert [opened(part["thoughtSignature"]) is not None for part in kept] == [True]
    thought, called = (
        parse(contents=[*contents(), *contents(*kept, role="model")]).messages[1].content
    )
    assert thought.proof == SEALED
    assert called.proof is None


def test_a_client_that_wants_no_thoughts() -> None:
    response = answered(ThinkingContent(text="Hm", proof=CLAUDE), a_call("c1"))
    asked_not = parse(generationConfig={"thinkingConfig": {"includeThoughts": False}})
    (part,) = shown(response, asked_not)
    assert "functionCall" in part
    assert opened(part["thoughtSignature"]) is not None


# -- the whole way round -------------------------------------------------------------------------

GEMINI = TargetModel(provider="google", model="gemini-x", family="gemini")
PROVIDER_PARTS = (
    {"text": "Hm", "thought": True},
    {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "c2ln"},
    {"functionCall": {"id": "g1", "name": "g", "args": {}}},
)


def response_of(way: str) -> UnifiedChatResponse:
    if way == "json":
        return answer(completion(*PROVIDER_PARTS))
    events = [
        {"candidates": [{"content": {"parts": [part]}, "index": 0}]} for part in PROVIDER_PARTS
    ]
    last = {"candidates": [{"finishReason": "STOP", "index": 0}], "usageMetadata": {}}
    return folded(*events, last)


def second_turn(client: Dialect, response: UnifiedChatResponse, way: str) -> UnifiedChatRequest:
    """What a client that echoes everything sends after an answer."""
    first = asked(user("go"), dialect=client.NAME)
    if way == "json":
        body = json.loads(client.format_response(response, first)[0])
    else:
        formatter = client.stream_formatter(first)
        raw = b"".join(
            client.encoder().encode(frame)
            for chunk in unfold(response)
            for frame in formatter.feed(chunk)
        )
        body = _collected(client, raw)
    history: list[Any]
    ids = [
        part.id for part in response.choices[0].message.content if isinstance(part, ToolCallContent)
    ]
    if client is openai_chat:
        message = body["choices"][0]["message"]
        history = [{"role": "user", "content": "go"}, message]
        history += [{"role": "tool", "tool_call_id": i, "content": "ok"} for i in ids]
        sent_body: dict[str, Any] = {"model": "m", "messages": history}
    else:
        history = [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": body["content"]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": i, "content": "ok"} for i in ids
                ],
            },
        ]
        sent_body = {"model": "m", "max_tokens": 9, "messages": history}
    made = call(sent_body)
    return client.parse_request(replace(made, source=Source(dialect=client.NAME)))


def _collected(client: Dialect, raw: bytes) -> Any:
    """A stream as the whole answer it amounts to, by the client's own rules."""
    decoder, parser = client.decoder(), client.stream_parser(gemini.format_request(asked(), TARGET))
    chunks = [c for frame in decoder.feed(raw) + decoder.close() for c in parser.feed(frame)]
    chunks += parser.close()
    return json.loads(client.format_response(fold(chunks), asked(dialect=client.NAME))[0])


@pytest.mark.parametrize("client", [openai_chat, anthropic_messages], ids=["chat", "messages"])
@pytest.mark.parametrize("way", ["json", "stream"])
def test_googles_signatures_through_other_clients(client: Dialect, way: str) -> None:
    request = second_turn(client, response_of(way), way)
    body = json.loads(gemini.format_request(request, GEMINI).body)
    _, called, answered_ = body["contents"]
    parts = [part for part in called["parts"] if "functionCall" in part]
    assert [part["functionCall"]["name"] for part in parts] == ["f", "g"]
    assert signatures(parts) == ["c2ln", None]
    assert [p["functionResponse"]["name"] for p in answered_["parts"]] == ["f", "g"]
    # The id that Google gave goes back, the one made for it does not.
    assert ["id" in part["functionCall"] for part in parts] == [False, True]


def test_a_signature_behind_the_first_call_is_its_own() -> None:
    """A stream may tell it late."""
    late = ThinkingContent(proof=OWN)
    found = sent(user("go"), model(a_call("c1"), late, a_call("c2")))
    assert signatures(found[1]["parts"]) == ["c2ln", None]
    found = sent(user("go"), model(late, a_call("c1"), a_call("c2")))
    assert signatures(found[1]["parts"]) == ["c2ln", None]


def test_T25_no_signature_hides_in_an_id() -> None:
    for part in answer(completion(*PROVIDER_PARTS)).choices[0].message.tool_calls:
        assert "c2ln" not in part.id
        assert len(part.id) <= 40


def test_a_signature_for_text_through_a_messages_client() -> None:
    response = answer(completion({"text": "so", "thoughtSignature": "c2ln"}))
    body = json.loads(anthropic_messages.format_response(response, asked())[0])
    history = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": body["content"]},
        {"role": "user", "content": "on"},
    ]
    made = call({"model": "m", "max_tokens": 9, "messages": history})
    request = anthropic_messages.parse_request(
        replace(made, source=Source(dialect="anthropic-messages"))
    )
    (part,) = wire(request)["contents"][1]["parts"]
    assert part == {"text": "so", "thoughtSignature": "c2ln"}


def test_another_familys_model_of_this_dialect_keeps_its_own() -> None:
    """A profile may give a provider of this dialect a family of its own."""
    other = replace(target(), family="other")
    proof = Proof("b3Ro", "signature", Origin("other"))
    request = asked(user("go"), model(a_call("c1", proof=proof)))
    assert signatures(wire(request, other)["contents"][1]["parts"]) == ["b3Ro"]
    assert signatures(wire(request)["contents"][1]["parts"]) == [SENTINEL]


def test_unified_messages_are_untouched_by_formatting() -> None:
    message = UnifiedMessage(role="assistant", content=(a_call("c1", proof=OWN),))
    sent(user("go"), message)
    assert message.tool_calls[0].proof == OWN
    assert sse() == b""
