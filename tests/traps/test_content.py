"""Traps T68 to T88: tools, schemas, content, one test a trap (``reference/traps.md`` E)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from plexus.compiler.profiles import profiles, typed
from plexus.streaming.document import JsonBody
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.platforms.bedrock import Bedrock
from plexus.transformers.platforms.vertex import Vertex
from plexus.transformers.translation import Passthrough, Translate
from plexus.unified.errors import PlexusError
from tests.faults.server import FaultServer, Peer
from tests.gateway.clouds import CLAUDE
from tests.gateway.conftest import Serve, first, second, serve
from tests.traps.dialects import (
    CHAT,
    CLIENTS,
    CONVERSE,
    CROSS,
    GEMINI,
    HI,
    MESSAGES,
    PAIRS,
    PROVIDERS,
    RESPONSES,
    Call,
    Json,
    Piece,
    Result,
    Text,
    Turn,
    answer,
    asked,
    asking,
    attempt,
    client_call,
    data,
    events,
    pieces,
    relayed,
    stream,
    target,
    told,
    translated,
    whole,
    written,
)
from tests.traps.serving import Served, config, everything, hello, says

__all__ = ["first", "second", "serve"]

OSLO, BERGEN = '{"city":"Oslo"}', '{"city":"Bergen"}'
TWO: Turn = ("assistant", [Call("call_1", "weather", OSLO), Call("call_2", "time", BERGEN)])
TOOLS = ["weather", "time"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with everything(tmp_path_factory.mktemp("served")) as found:
        yield found


def body_to(client: str, provider: str, body: Json, to: TargetModel | None = None) -> Json:
    """What the provider gets."""
    return written(provider, translated(client, provider, body, to=to))


def refusal(client: str, provider: str, body: Json, to: TargetModel | None = None) -> Any:
    """The error that the client gets instead."""
    with pytest.raises(PlexusError) as caught:
        translated(client, provider, body, to=to)
    assert caught.value.error.http_status == 400
    return caught.value.error


SPREAD: list[Turn] = [
    HI,
    TWO,
    ("tool", [Result("call_2", "time", "noon")]),
    ("tool", [Result("call_1", "weather", "rain")]),
    ("user", [Text("and?")]),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("provider", [MESSAGES, CONVERSE])
def test_T68_results_come_first_and_together(client: str, provider: str) -> None:
    histories = [SPREAD]
    if client == MESSAGES:  # The only dialect that can say text before the results.
        late: list[Piece] = [Text("and?"), *SPREAD[2][1], *SPREAD[3][1]]
        histories.append([HI, TWO, ("user", late)])
    for history in histories:
        turns = asked(provider, body_to(client, provider, asking(client, *history, tools=TOOLS)))
        assert [role for role, _ in turns] == ["user", "assistant", "user"]
        found = turns[2][1]
        assert [type(piece) for piece in found] == [Result, Result, Text]
        assert [piece.text for piece in found if not isinstance(piece, Call)] == [
            "rain",
            "noon",
            "and?",
        ]


@pytest.mark.parametrize("client", [CHAT, RESPONSES, MESSAGES])
def test_T69_gemini_gets_a_response_for_each_call_in_order(client: str) -> None:
    body = body_to(client, GEMINI, asking(client, *SPREAD, tools=TOOLS))
    turns = asked(GEMINI, body)
    assert [piece.name for piece in turns[1][1] if isinstance(piece, Call)] == ["weather", "time"]
    assert [(p.name, p.text) for p in turns[2][1] if isinstance(p, Result)] == [
        ("weather", "rain"),
        ("time", "noon"),
    ]
    assert len(turns[2][1]) == 2
    missing = [HI, TWO, SPREAD[2], SPREAD[4]]
    (found,) = [
        turn
        for _, turn in asked(GEMINI, body_to(client, GEMINI, asking(client, *missing, tools=TOOLS)))
        if isinstance(turn[0], Result)
    ]
    assert [piece.name for piece in found if isinstance(piece, Result)] == ["weather", "time"]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("streaming", [False, True], ids=["json", "stream"])
def test_T70_a_malformed_call_is_no_answer(
    serve: Serve, first: FaultServer, client: str, streaming: bool
) -> None:
    """Before content the next target answers; alone it is an error, never an empty success."""
    candidate = {"content": {"role": "model", "parts": []}, "index": 0}
    body = {"candidates": [{**candidate, "finishReason": "MALFORMED_FUNCTION_CALL"}]}
    usage = {"promptTokenCount": 3, "totalTokenCount": 3}
    body |= {"usageMetadata": usage, "modelVersion": "m", "responseId": "r1"}
    script = says(Text("hello"))

    async def broken(peer: Peer) -> None:
        if "/v1beta/" not in peer.request.path:
            await script(peer)
        elif "stream" in peer.request.path:
            await peer.stream(data(body))
        else:
            await peer.answer(200, json.dumps(body).encode())

    first.script = broken
    settings = config(first.port)
    targets = ["gemini/m", "openai-chat/m"]
    settings["aliases"]["both"] = {"selector": "in_order", "targets": targets}
    served = Served(serve(settings), first)
    read = events if streaming else whole
    alone = served.ask(client, GEMINI, hello(client), streaming)
    if client == GEMINI:  # Passed through: its own client reads Google's own word.
        assert read(client, alone.body).finish == "MALFORMED_FUNCTION_CALL"
        return
    assert alone.status == 502
    answered = served.ask(client, "both", hello(client), streaming)
    assert answered.status == 200
    assert read(client, answered.body).text == "hello"


SPELLED = '{"b":1.0,"a":12345678901234567890123,"z":"\\u00e9\\/é","e":1e3}'
"""Arguments whose numbers, order and escapes no serialiser writes again like this."""


def spelled(raw: bytes) -> bytes:
    """A request or answer with these arguments, as its own author would have written them."""
    text = json.dumps(SPELLED).encode()
    found = raw.replace(b'"{\\"mark\\":0}"', text).replace(b'{"mark": 0}', SPELLED.encode())
    assert found != raw
    return found


@pytest.mark.parametrize(("client", "provider"), CROSS)
def test_T71_arguments_are_not_written_anew(client: str, provider: str) -> None:
    """Text in chat and Responses; in the others an object, whose numbers and order stay."""
    mark = Call("call_1", "f", '{"mark":0}')
    history = [HI, ("assistant", [mark]), ("tool", [Result("call_1", "f", "ok")])]
    raw = spelled(json.dumps({"model": "m", **asking(client, *history, tools=["f"])}).encode())
    call = client_call(client, {}, False)
    call = structs.replace(call, body=JsonBody.parse(raw))
    sent = Translate(CLIENTS[client], PROVIDERS[provider], target(provider)).prepare(call).wire.body
    if provider in (CHAT, RESPONSES):
        (found,) = [p for p in pieces(provider, json.loads(sent)) if isinstance(p, Call)]
        assert found.arguments == SPELLED
    else:
        assert SPELLED.encode() in sent
    said = spelled(answer(provider, mark))
    out = (
        attempt(client, provider, hello(client, tools=["f"])).answer(said, "application/json").body
    )
    if client in (CHAT, RESPONSES):
        assert [call.arguments for call in whole(client, out).calls] == [SPELLED]
    else:
        assert SPELLED.encode() in out
    if client in (CHAT, RESPONSES) and provider not in (CHAT, RESPONSES):
        # What the model itself wrote wrongly does not end the conversation.
        half: Turn = ("assistant", [Call("call_1", "f", '{"city": Os')])
        body = body_to(client, provider, asking(client, HI, half, history[2], tools=["f"]))
        (found,) = [p for p in pieces(provider, body) if isinstance(p, Call)]
        assert json.loads(found.arguments) == {"_raw": '{"city": Os'}


ODD_SCHEMA: Json = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"a": {"oneOf": [{"type": "string"}, {"type": "integer"}]}, "l": {"minItems": 1}},
    "additionalProperties": False,
}


def with_schema(client: str, schema: Json | None, strict: bool = False) -> Json:
    """One tool ``f``; without a schema where the dialect lets it have none."""
    said = {} if schema is None else {"parameters": schema}
    more: Json = {"strict": True} if strict else {}
    match client:
        case "openai-chat":
            tool: Json = {"type": "function", "function": {"name": "f", **said, **more}}
        case "openai-responses":
            tool = {"type": "function", "name": "f", "parameters": schema, **more}
        case "anthropic-messages":
            tool = {"name": "f", "input_schema": schema or {"type": "object"}, **more}
        case _:
            made = {"parametersJsonSchema": schema} if schema is not None else {}
            tool = {"functionDeclarations": [{"name": "f", **made}]}
    return {**hello(client), "tools": [tool]}


def schema_of(provider: str, body: Json) -> tuple[Json | None, bool | None]:
    """What the provider is told of the one tool's parameters, and whether they are strict."""
    match provider:
        case "openai-chat":
            made = body["tools"][0]["function"]
            return made.get("parameters"), made.get("strict")
        case "openai-responses":
            made = body["tools"][0]
            return made.get("parameters"), made.get("strict")
        case "anthropic-messages":
            made = body["tools"][0]
            return made["input_schema"], made.get("strict")
        case "gemini":
            (made,) = body["tools"][0]["functionDeclarations"]
            return made.get("parametersJsonSchema", made.get("parameters")), None
        case _:
            made = body["toolConfig"]["tools"][0]["toolSpec"]
            return made["inputSchema"]["json"], made.get("strict")


def vendor(name: str, model: str = "m") -> TargetModel:
    """A model of a vendor, with what its profile knows."""
    profile = profiles()[name]
    known = Capabilities(**typed(profile.of(model)))
    return TargetModel(provider=name, model=model, family=profile.family, capabilities=known)


@pytest.mark.parametrize("client", CLIENTS)
def test_T72_schemas_fit_their_target(client: str) -> None:
    empty: Json = {"type": "object", "properties": {}}
    for provider in PROVIDERS:
        for schema in (None, {"type": "object"}, empty):
            if provider == client:
                continue
            found, _ = schema_of(provider, body_to(client, provider, with_schema(client, schema)))
            if provider == GEMINI:
                assert found is None
            elif provider == CHAT:
                assert found in (empty, None)
            else:
                assert found == empty or (provider not in _OPENAI and found == {"type": "object"})
    if client == CHAT:  # Whose own bytes pass through.
        return
    body = with_schema(client, ODD_SCHEMA)
    found, _ = schema_of(CHAT, body_to(client, CHAT, body, vendor("groq")))
    assert found is not None and "$schema" not in found
    found, _ = schema_of(CHAT, body_to(client, CHAT, body, vendor("xai")))
    assert found is not None and "additionalProperties" not in found
    assert "minItems" not in found["properties"]["l"]
    found, _ = schema_of(MESSAGES, body_to(CHAT, MESSAGES, with_schema(CHAT, ODD_SCHEMA, True)))
    assert "oneOf" not in json.dumps(found)
    if client == MESSAGES:  # Anthropic takes as strict what OpenAI does not.
        fits = {**empty, "additionalProperties": False}
        for schema, strict in ((ODD_SCHEMA, True), (fits, True)):
            for provider in (CHAT, RESPONSES):
                made = body_to(client, provider, with_schema(client, schema, strict))
                assert bool(schema_of(provider, made)[1]) == (schema is fits)


_OPENAI = (CHAT, RESPONSES)
"""They take an object without properties for none at all."""


SEARCHES: dict[str, Json] = {
    CHAT: {"web_search_options": {}},
    RESPONSES: {"tools": [{"type": "web_search"}]},
    MESSAGES: {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    GEMINI: {"tools": [{"googleSearch": {}}]},
}
FORCED: dict[str, Json] = {
    RESPONSES: {"tool_choice": {"type": "web_search"}},
    MESSAGES: {"tool_choice": {"type": "tool", "name": "web_search"}},
}


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_T73_tools_of_the_provider_keep_their_type(client: str, provider: str) -> None:
    body = {**hello(client), **SEARCHES[client]}
    sent = body_to(client, provider, body)
    tools = json.dumps([sent.get("tools"), sent.get("toolConfig")])
    assert not {"description", "input_schema", "parameters", "function"} & set(
        re.findall(r"\w+", tools)
    )
    if provider == CHAT and client == CHAT:
        assert "web_search_options" in sent
    elif provider in (CHAT, CONVERSE):
        # Nobody there searches; without being forced the answer goes on without.
        warnings = translated(client, provider, body).wire.warnings
        assert warnings and "tools" not in sent and "toolConfig" not in sent
    else:
        assert sent["tools"] == SEARCHES[provider]["tools"]
    if client in FORCED and provider in (CHAT, CONVERSE):
        assert refusal(client, provider, {**body, **FORCED[client]}).param == "tool_choice"


def with_search(provider: str) -> bytes:
    """An answer whose provider has searched or computed before it spoke."""
    body = json.loads(answer(provider, Text("found")))
    match provider:
        case "openai-chat":
            ran: list[Json] = [{"index": 0, "type": "search", "arguments": "{}", "output": "x"}]
            body["choices"][0]["message"]["executed_tools"] = ran
        case "openai-responses":
            action = {"type": "search", "query": "x"}
            call = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
            body["output"].insert(0, {**call, "action": action})
        case "anthropic-messages":
            use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search"}
            result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
            body["content"][:0] = [{**use, "input": {"query": "x"}}, result]
        case "gemini":
            body["candidates"][0]["content"]["parts"][:0] = [
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
                {"toolCall": {"id": "t1", "toolType": "GOOGLE_SEARCH_WEB", "args": {}}},
                {"toolResponse": {"id": "t1", "toolType": "GOOGLE_SEARCH_WEB", "response": {}}},
            ]
        case _:
            use = {"toolUseId": "s1", "name": "nova_code", "input": {}, "type": "server_tool_use"}
            result = {"toolUseId": "s1", "content": [{"text": "1"}]}
            content = body["output"]["message"]["content"]
            content[:0] = [{"toolUse": use}, {"toolResult": result}]
    return json.dumps(body).encode()


@pytest.mark.parametrize(("client", "provider"), CROSS)
def test_T74_what_the_provider_ran_is_not_for_the_client_to_run(client: str, provider: str) -> None:
    found = told(client, provider, with_search(provider), hello(client, tools=["f"]))
    assert (found.text, found.calls) == ("found", [])
    ends = {CHAT: "stop", RESPONSES: "completed", MESSAGES: "end_turn", GEMINI: "STOP"}
    assert found.finish == ends[client]
    assert "tool_use" not in found.blocks and "function_call" not in found.blocks


LONG = "b" * 64
ALIKE = [f"{LONG}_first", f"{LONG}_second", "a.b", "a:b"]
LEGAL = {
    CHAT: r"[A-Za-z0-9_-]{1,64}",
    RESPONSES: r"[A-Za-z0-9_-]{1,64}",
    MESSAGES: r"[A-Za-z0-9_-]{1,128}",
    GEMINI: r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}",
    CONVERSE: r"[A-Za-z0-9_-]{1,64}",
}


@pytest.mark.parametrize(("client", "provider"), CROSS)
def test_T75_names_made_legal_stay_apart_and_come_back(client: str, provider: str) -> None:
    history: list[Turn] = []
    for number, name in enumerate(ALIKE):
        call_id = f"call_{number}"
        history += [
            HI,
            ("assistant", [Call(call_id, name)]),
            ("tool", [Result(call_id, name, "x")]),
        ]
    prepared = translated(client, provider, asking(client, *history, tools=ALIKE))
    sent = written(provider, prepared)
    used = [piece.name for piece in pieces(provider, sent) if isinstance(piece, Call)]
    assert len(set(used)) == len(ALIKE)
    assert all(re.fullmatch(LEGAL[provider], name) for name in used)
    raw = json.dumps([sent.get("tools"), sent.get("toolConfig")])
    assert all(f'"{name}"' in raw for name in used)
    said = answer(provider, *(Call(f"call_{n}", name) for n, name in enumerate(used)))
    found = whole(client, prepared.answer(said, "application/json").body)
    assert [call.name for call in found.calls] == ALIKE
    stream_ = translated(client, provider, asking(client, *history, tools=ALIKE), stream=True)
    spoken = stream(provider, *(Call(f"call_{n}", name) for n, name in enumerate(used)))
    assert [call.name for call in events(client, relayed(stream_, spoken)).calls] == ALIKE


@pytest.mark.parametrize("client", CLIENTS)
def test_T76_marks_of_templates_do_not_reach_clients(client: str) -> None:
    body = hello(client, tools=["f"])
    leaked = Call("call_1", "f<|channel|>json", OSLO)
    with pytest.raises(PlexusError) as caught:
        translated(client, CHAT, body).answer(answer(CHAT, leaked), "application/json")
    assert caught.value.error.code == "malformed_tool_call"
    relay = translated(client, CHAT, body, stream=True).stream()
    relay.feed(stream(CHAT, leaked))  # Held back: nothing of it is content.
    assert relay.failure is not None and not relay.committed
    to = target(CHAT, think_tags=("<think>", "</think>"))
    said = Text("<think>Let me see.</think>\n\nhello")
    made = translated(client, CHAT, body, to=to).answer(answer(CHAT, said), "application/json")
    whole_, streamed = (
        whole(client, made.body),
        events(
            client, relayed(translated(client, CHAT, body, stream=True, to=to), stream(CHAT, said))
        ),
    )
    for found in (whole_, streamed):
        assert (found.text.strip(), found.thinking) == ("hello", "Let me see.")


MARK = {"cache_control": {"type": "ephemeral"}}
MANY_MARKS: dict[str, Json] = {
    MESSAGES: {
        "max_tokens": 1000,
        "system": [{"type": "text", "text": "Be brief.", **MARK}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}, **MARK}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "one", **MARK}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "two"},
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln", **MARK},
                    {"type": "tool_use", "id": "call_1", "name": "f", "input": {}, **MARK},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "x", **MARK},
                    {"type": "text", "text": "three"},
                    {"type": "text", "text": " ", **MARK},
                ],
            },
        ],
    },
    CHAT: {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief.", **MARK}]},
            *(
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "", **MARK},
                        {"type": "text", "text": text, **MARK},
                        {"type": "text", "text": "", **MARK},
                    ],
                }
                for text in ("one", "two", "three", "four", "five")
            ),
        ]
    },
}


def marked(provider: str, body: Json) -> list[str]:
    """The blocks that carry a marker, or stand before one, in order of the prompt."""
    found: list[str] = []
    sections = [body.get("tools", []), body.get("system", [])]
    for blocks in [*sections, *(message["content"] for message in body["messages"])]:
        for before, block in zip([None, *blocks], blocks, strict=False):
            if provider == MESSAGES and "cache_control" in block:
                found.append(_name_of(block))
            elif "cachePoint" in block:
                assert before is not None and "cachePoint" not in before
                found.append(_name_of(before))
    return found


def _name_of(block: Json) -> str:
    return str(block.get("text") or block.get("type") or next(iter(block)))


@pytest.mark.parametrize("client", MANY_MARKS)
@pytest.mark.parametrize("provider", [MESSAGES, CONVERSE])
def test_T77_cache_markers_are_few_and_stand_on_something(client: str, provider: str) -> None:
    """The last one before the messages, and the last three in them."""
    to = target(provider, model=CLAUDE, cache_breakpoints=True)
    found = marked(provider, body_to(client, provider, MANY_MARKS[client], to))
    call, result = (
        ("tool_use", "tool_result") if provider == MESSAGES else ("toolUse", "toolResult")
    )
    if client == CHAT:
        assert found == ["Be brief.", "three", "four", "five"]
    else:
        assert found == ["Be brief.", call, result, "three"]
        only: Json = json.loads(
            json.dumps(MANY_MARKS[client]).replace(f", {json.dumps(MARK)[1:-1]}", "")
        )
        only["messages"][1]["content"][1] |= MARK
        assert marked(provider, body_to(client, provider, only, to)) == ["two"]


BETAS = "interleaved-thinking-2025-05-14,oauth-2025-04-20,fast-mode-2026-02-01"
CLOUDS: dict[str, Any] = {
    "bedrock": Bedrock(),
    "vertex": Vertex(),
}


def on_cloud(cloud: str, body: Json, client: str = MESSAGES) -> Any:
    """One attempt at a Claude there: its own clients are passed through."""
    call = client_call(client, body, False)
    headers = {"anthropic-beta": BETAS, "anthropic-version": "2023-06-01"}
    call = structs.replace(call, source=structs.replace(call.source, headers=headers))
    to = target(MESSAGES, model="claude-opus-4-5")
    if client == MESSAGES:
        return Passthrough(CLIENTS[MESSAGES], to, platform=CLOUDS[cloud]).prepare(call)
    platform = CLOUDS[cloud]
    return Translate(CLIENTS[client], PROVIDERS[MESSAGES], to, platform=platform).prepare(call)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_T78_clouds_get_the_betas_they_know(cloud: str) -> None:
    beta_fields: Json = {
        "context_management": {"edits": []},
        "mcp_servers": [],
        "speed": "fast",
        "container": "c",
    }
    tool = {"name": "f", "input_schema": {"type": "object"}, "defer_loading": True}
    made = on_cloud(cloud, {**hello(MESSAGES), **beta_fields, "tools": [tool]})
    body = json.loads(made.wire.body)
    sent = [*body.get("anthropic_beta", ()), dict(made.wire.headers).get("anthropic-beta", "")]
    assert [beta for beta in sent if beta] == ["interleaved-thinking-2025-05-14"]
    assert not body.keys() & beta_fields.keys()
    assert "defer_loading" not in body["tools"][0]
    assert {warning.loss.field for warning in made.wire.warnings} == {"betas", "platform.fields"}


def picture(client: str, where: str) -> Json:
    """A conversation with a picture at an address."""
    match client:
        case "openai-chat":
            part: Json = {"type": "image_url", "image_url": {"url": where}}
            return {"messages": [{"role": "user", "content": [part]}]}
        case "openai-responses":
            part = {"type": "input_image", "image_url": where}
            return {"input": [{"role": "user", "content": [part]}]}
        case "anthropic-messages":
            part = {"type": "image", "source": {"type": "url", "url": where}}
            return {"max_tokens": 10, "messages": [{"role": "user", "content": [part]}]}
        case _:
            part = {"fileData": {"fileUri": where, "mimeType": "image/png"}}
            return {"contents": [{"role": "user", "parts": [part]}]}


PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_T79_claude_on_a_cloud_gets_no_address(client: str, cloud: str) -> None:
    """It would be a 400 there; Plexus fetches nothing for a client, so it says which part it is."""
    with pytest.raises(PlexusError) as caught:
        on_cloud(cloud, picture(client, "https://example.org/a.png"), client)
    assert (caught.value.error.kind, caught.value.error.http_status) == ("unsupported", 400)
    assert re.search(r"content\[0\]|parts\[0\]", caught.value.error.param or "")
    assert PNG in on_cloud(cloud, inlined(client, "image/png", PNG), client).wire.body.decode()
    refused = refusal(client, CONVERSE, picture(client, "https://example.org/a.png"))
    assert refused.kind == "unsupported" and refused.param


def inlined(client: str, kind: str, base64: str) -> Json:
    """A conversation with a picture in it."""
    if client == MESSAGES:
        source = {"type": "base64", "media_type": kind, "data": base64}
        part = {"type": "image", "source": source}
        return {"max_tokens": 10, "messages": [{"role": "user", "content": [part]}]}
    if client == GEMINI:
        part = {"inlineData": {"mimeType": kind, "data": base64}}
        return {"contents": [{"role": "user", "parts": [part]}]}
    return picture(client, f"data:{kind};base64,{base64}")


@pytest.mark.parametrize("client", CLIENTS)
def test_T80_deepseek_gets_reasoning_with_every_call(
    serve: Serve, first: FaultServer, client: str
) -> None:
    """What the client kept, else an empty text; and where it is missed, once without thinking."""
    history = [
        HI,
        ("assistant", [Call("call_1", "f", OSLO)]),
        ("tool", [Result("call_1", "f", "x")]),
    ]
    body = asking(client, *history, tools=["f"])
    sent = body_to(client, CHAT, body, vendor("deepseek", "deepseek-chat"))
    assert sent["messages"][1]["reasoning_content"] == ""

    async def strict(peer: Peer) -> None:
        asked_ = json.loads(peer.request.body)
        if asked_.get("thinking") != {"type": "disabled"}:
            said = "The `reasoning_content` in the thinking mode must be passed back to the API."
            await peer.answer(400, json.dumps({"error": {"message": said}}).encode())
        else:
            await peer.answer(200, answer(CHAT, Text("hello")))

    if client == CHAT:  # Whose own bytes are never mended unasked.
        return
    first.script = strict
    found = Served(serve(config(first.port, profile="deepseek")), first).ask(client, CHAT, body)
    assert found.status == 200
    assert whole(client, found.body).text == "hello"
    assert len(first.requests) == 2


def ended(provider: str, word: str, *said: Piece) -> bytes:
    """An answer that ended with this word of the provider's."""
    body = json.loads(answer(provider, *said))
    match provider:
        case "openai-chat":
            body["choices"][0]["finish_reason"] = word
        case "openai-responses":
            body |= {"status": "incomplete", "incomplete_details": {"reason": word}}
        case "anthropic-messages":
            body["stop_reason"] = word
        case "gemini":
            body["candidates"][0]["finishReason"] = word
        case _:
            body["stopReason"] = word
    return json.dumps(body).encode()


FILTERED = {
    CHAT: ("content_filter",),
    RESPONSES: ("content_filter",),
    MESSAGES: ("refusal",),
    GEMINI: ("SAFETY", "RECITATION", "PROHIBITED_CONTENT", "SPII"),
    CONVERSE: ("content_filtered", "guardrail_intervened"),
}
REFUSED = {
    CHAT: "content_filter",
    RESPONSES: "content_filter",
    MESSAGES: "refusal",
    GEMINI: "SAFETY",
}
ENDS: list[tuple[str, str, dict[str, str]]] = [
    *((provider, word, REFUSED) for provider, words in FILTERED.items() for word in words),
    (
        MESSAGES,
        "pause_turn",
        {CHAT: "stop", RESPONSES: "completed", MESSAGES: "pause_turn", GEMINI: "STOP"},
    ),
    (
        MESSAGES,
        "model_context_window_exceeded",
        {
            CHAT: "length",
            RESPONSES: "max_output_tokens",
            MESSAGES: "model_context_window_exceeded",
            GEMINI: "MAX_TOKENS",
        },
    ),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("provider", "word", "means"), ENDS)
@pytest.mark.parametrize("said", [(Text("hello"),), ()], ids=["text", "nothing"])
def test_T81_why_an_answer_ended(
    client: str, provider: str, word: str, means: dict[str, str], said: tuple[Piece, ...]
) -> None:
    if client == provider:  # It knows its own words.
        return
    found = told(client, provider, ended(provider, word, *said))
    assert (found.finish, found.error) == (means[client], None)
    if word == "pause_turn":  # Nobody else can go on with it: that is told.
        made = attempt(client, provider, hello(client))
        warnings = made.answer(ended(provider, word, *said), "application/json").warnings
        assert [warning.loss.field for warning in warnings] == ["response.finish"]


BLOCKED: Json = {
    "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
    "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
    "modelVersion": "m",
    "responseId": "r1",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_T82_a_blocked_prompt_is_a_filtered_answer(served: Served, client: str) -> None:
    """HTTP 200 without candidates."""

    async def blocked(peer: Peer) -> None:
        if "stream" in peer.request.path:
            await peer.stream(data(BLOCKED))
        else:
            await peer.answer(200, json.dumps(BLOCKED).encode())

    served.server.script = blocked
    for streaming in (False, True):
        said = served.ask(client, GEMINI, hello(client), streaming)
        assert said.status == 200
        if client == GEMINI:
            assert b"PROHIBITED_CONTENT" in said.body
            continue
        found = (events if streaming else whole)(client, said.body)
        assert (found.finish, found.text, found.error) == (REFUSED[client], "", None)


def test_T83_media_stand_where_the_target_takes_them() -> None:
    """A document beside a result is in it for Converse; a model's picture is a note for Claude."""
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}
    report: Json = {"type": "document", "source": source, "title": "Report"}
    body = asking(MESSAGES, HI, ("assistant", [Call("call_1", "f")]), tools=["f"])
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "x"}
    body["messages"].append({"role": "user", "content": [result, report]})
    (*_, last) = body_to(MESSAGES, CONVERSE, body)["messages"]
    (only,) = last["content"]
    assert [next(iter(block)) for block in only["toolResult"]["content"]] == ["text", "document"]

    inside = json.loads(json.dumps(body))
    inside["messages"][-1]["content"] = [{**result, "content": [inlined_block(), report]}]
    messages = body_to(MESSAGES, CHAT, inside)["messages"]
    assert [message["role"] for message in messages[-2:]] == ["tool", "user"]
    assert PNG not in json.dumps(messages[-2])
    assert PNG in json.dumps(messages[-1]) and "JVBERi0xLjQK" in json.dumps(messages[-1])

    drawn = asking(GEMINI, HI, ("assistant", [Text("Here:")]), ("user", [Text("and?")]))
    drawn["contents"][1]["parts"].append({"inlineData": {"mimeType": "image/png", "data": PNG}})
    made = translated(GEMINI, MESSAGES, drawn)
    assert PNG not in made.wire.body.decode()
    assert asked(MESSAGES, json.loads(made.wire.body))[1][1] == [Text("Here:"), Text("[image]")]
    assert [warning.loss.field for warning in made.wire.warnings] == ["part.opaque"]


def inlined_block() -> Json:
    block: Json = inlined(MESSAGES, "image/png", PNG)["messages"][0]["content"][0]
    return block


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("provider", [MESSAGES, CONVERSE])
def test_T84_a_last_turn_of_the_assistant(client: str, provider: str) -> None:
    """Without white space at its end where the model continues it; else a user's turn follows."""
    body = asking(client, HI, ("assistant", [Text("Sure:  \n")]))
    able = asked(provider, body_to(client, provider, body, target(provider, prefill=True)))
    assert able[-1] == ("assistant", [Text("Sure:")])
    not_able = translated(client, provider, body, to=target(provider, prefill=False))
    found = asked(provider, json.loads(not_able.wire.body))
    assert [role for role, _ in found] == ["user", "assistant", "user"]
    assert [warning.loss.field for warning in not_able.wire.warnings] == ["message.prefill"]
    strict = structs.replace(client_call(client, body, False), strict=True)
    made = Translate(CLIENTS[client], PROVIDERS[provider], target(provider, prefill=False))
    with pytest.raises(PlexusError) as caught:
        made.prepare(strict)
    assert caught.value.error.code == "plexus_loss"


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_T85_pictures_are_mended_or_refused_with_their_path(client: str, provider: str) -> None:
    url_safe = PNG.replace("+", "-").replace("/", "_").rstrip("=")
    broken = f"{url_safe[:40]}\r\n{url_safe[40:60]} \n{url_safe[60:]}"
    sent = json.dumps(body_to(client, provider, inlined(client, "image/png", broken)))
    assert PNG in sent
    sent = json.dumps(body_to(client, provider, inlined(client, "image/jpg", "/9j/4AAQSkZJRgAB")))
    assert "/9j/4AAQSkZJRgAB" in sent
    assert "jpeg" in sent and "image/jpg" not in sent
    for bad in ("", "%%%"):
        param = refusal(client, provider, inlined(client, "image/png", bad)).param
        assert re.search(r"(content|parts)\[0\]", param)


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_T86_addresses_of_clients_are_never_fetched(
    served: Served, first: FaultServer, client: str, provider: str
) -> None:
    """Not even one on this machine; the provider fetches, or the client is told to send data."""
    served.server.forget()
    served.server.script = says(Text("hello"))
    inside = f"http://127.0.0.1:{first.port}/v1/secret.png"
    for where in (inside, "http://169.254.169.254/latest/meta-data", "file:///etc/passwd"):
        found = served.ask(client, provider, picture(client, where))
        assert found.status in (200, 400), found.body
        assert b"root:" not in found.body
    assert first.requests == []
    assert all(b"root:" not in request.body for request in served.server.requests)


ITEMS: Json = {
    "input": [
        {"role": "user", "content": "hi"},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "phase": "commentary",
            "status": "incomplete",
            "content": [{"type": "output_text", "text": "so", "annotations": []}],
        },
        {
            "type": "function_call",
            "call_id": "call_1",
            "namespace": "ns",
            "name": "f",
            "arguments": "{}",
            "async": True,
            "status": "incomplete",
        },
        {"role": "user", "content": "and?"},
    ],
    "tools": [
        {
            "type": "namespace",
            "name": "ns",
            "description": "d",
            "tools": [{"type": "function", "name": "f", "async": True, "parameters": {}}],
        }
    ],
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_T87_what_only_responses_says_of_a_turn(provider: str) -> None:
    if provider == RESPONSES:
        raw = json.dumps({"model": "m", **ITEMS, "stream": False}).encode()
        assert json.loads(attempt(RESPONSES, RESPONSES, ITEMS).wire.body) == json.loads(raw)
        _, message, call, _ = body_to(RESPONSES, RESPONSES, ITEMS)["input"]
        assert (message["phase"], message["status"]) == ("commentary", "incomplete")
        assert (call["namespace"], call["async"], call["status"]) == ("ns", True, "incomplete")
        return
    made = translated(RESPONSES, provider, ITEMS)
    assert {"tool.ext", "extra"} >= {w.loss.field for w in made.wire.warnings} - _REPAIRED
    body = json.loads(made.wire.body)
    new = {"phase", "namespace", "async"} if provider == CONVERSE else {"phase", "status", "async"}
    assert not new & set(re.findall(r'"(\w+)":', json.dumps(body)))
    (name,) = [piece.name for piece in pieces(provider, body) if isinstance(piece, Call)]
    assert name == "ns__f"
    said = answer(provider, Call("call_2", "ns__f"))
    (item,) = json.loads(made.answer(said, "application/json").body)["output"]
    assert (item["namespace"], item["name"]) == ("ns", "f")


_REPAIRED = {"part.tool_result.missing", "part.ext", "message.ext"}


@pytest.mark.parametrize("client", [RESPONSES, MESSAGES, GEMINI])
def test_T88_a_call_that_groq_could_not_read(
    serve: Serve, first: FaultServer, second: FaultServer, client: str
) -> None:
    """The model's fault, not the client's: another target may do better."""
    error = {
        "message": "Failed to call a function. Please adjust your prompt.",
        "type": "invalid_request_error",
        "code": "tool_use_failed",
        "failed_generation": "<function=f{",
    }

    async def failing(peer: Peer) -> None:
        await peer.answer(400, json.dumps({"error": error}).encode())

    first.script = failing
    second.script = says(Text("hello"))
    settings = config(first.port, profile="groq")
    other = config(second.port)["providers"][MESSAGES]
    settings["providers"] = {CHAT: settings["providers"][CHAT], "other": other}
    targets = [f"{CHAT}/m", "other/m"]
    both = {"selector": "in_order", "targets": targets}
    settings["aliases"] = {"both": both, "alone": {"targets": targets[:1]}}
    served = Served(serve(settings), first)
    body = hello(client, tools=["f"])
    found = served.ask(client, "both", body)
    assert (found.status, whole(client, found.body).text) == (200, "hello")
    alone = served.ask(client, "alone", body)
    assert alone.status == 502
