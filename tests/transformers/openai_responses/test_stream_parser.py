"""A Responses provider's stream, and its JSON answers, read (streaming.md §4)."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from plexus.transformers import openai_responses as responses
from plexus.transformers.base import WireRequest
from plexus.unified.chunks import LogprobsDelta, PartDelta, PartStop, StreamChunk, StreamError
from plexus.unified.content import (
    Citation,
    CompactionContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    ServerToolCallContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.fold import fold
from plexus.unified.response import UnifiedUsage
from tests.transformers.openai_responses.support import (
    NAME,
    answer,
    completed,
    created,
    event,
    folded,
    function_call,
    message,
    parts,
    read,
    read_bytes,
    request_to,
    response,
    sse,
    target,
)

USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 17,
}
REASONING = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
    "encrypted_content": "done",
}
ID = {NAME: {"id": Raw(b'"msg_1"')}}


def added(item: dict[str, Any], place: int = 0, **members: Any) -> dict[str, Any]:
    return event("output_item.added", place, item={**item, **members})


def done(item: dict[str, Any], place: int = 0) -> dict[str, Any]:
    return event("output_item.done", place, item=item)


def said(text: str, place: int = 0, **members: Any) -> dict[str, Any]:
    return event(
        "output_text.delta", place, item_id="msg_1", content_index=0, delta=text, **members
    )


def opened(place: int = 0, kind: str = "output_text") -> dict[str, Any]:
    return event("content_part.added", place, item_id="msg_1", content_index=0, part={"type": kind})


def arguments(text: str, place: int = 0, kind: str = "delta") -> dict[str, Any]:
    name = "delta" if kind == "delta" else "arguments"
    return event(f"function_call_arguments.{kind}", place, item_id="fc_1", **{name: text})


TEXT = (
    created(service_tier="auto", tools=[], user=None),
    added(message(""), content=[]),
    opened(),
    said("Hel"),
    said("lo"),
    done(message("Hello")),
    completed(message("Hello"), usage=USAGE, service_tier="default", tools=[], metadata={}),
)


def test_a_text() -> None:
    found = folded(*TEXT)
    assert parts(found) == (TextContent(text="Hello", ext=ID),)
    assert (found.id, found.model, found.dialect) == ("resp_1", "gpt", NAME)
    assert found.choices[0].finish.reason == "stop"
    assert found.usage == UnifiedUsage(
        prompt_tokens=10,
        completion_tokens=7,
        total_tokens=17,
        cache_read_tokens=4,
        cache_write_tokens=3,
        reasoning_tokens=2,
    )
    assert found.ext[NAME].keys() == {"tools", "metadata", "service_tier"}


def test_json_and_stream_say_the_same() -> None:
    whole = answer(message("Hello"), usage=USAGE, service_tier="default", tools=[], metadata={})
    streamed = folded(*TEXT)
    assert whole.choices == streamed.choices
    assert (whole.usage, whole.ext, whole.id) == (streamed.usage, streamed.ext, streamed.id)


def test_T54_T55_any_split_gives_the_same_chunks() -> None:
    raw = sse(created(), added(message("")), said("é\u2028x"), completed(message("é\u2028x")))
    whole = read_bytes(raw)
    assert parts(fold(whole)) == (TextContent(text="é\u2028x", ext=ID),)
    for at in range(1, len(raw)):
        assert read_bytes(raw, (at,)) == whole


def test_a_tool_call() -> None:
    found = folded(
        created(),
        added(function_call(), arguments=""),
        arguments('{"a":'),
        arguments("1}"),
        arguments('{"a":1}', kind="done"),
        done(function_call(arguments='{"a":1}')),
        completed(function_call(arguments='{"a":1}')),
    )
    assert parts(found) == (
        ToolCallContent(id="call_1", name="f", arguments='{"a":1}', item_id="fc_1"),
    )
    assert found.choices[0].finish.reason == "tool_calls"


def test_T41_parallel_calls_in_turns() -> None:
    second = function_call(id="fc_2", call_id="call_2", name="g")
    chunks = read(
        created(),
        added(function_call(), arguments=""),
        added(second, 1, arguments=""),
        arguments('{"a"', 0),
        event("function_call_arguments.delta", 1, item_id="fc_2", delta="{}"),
        arguments(":1}", 0),
        done(second, 1),
        done(function_call(arguments='{"a":1}')),
        completed(function_call(arguments='{"a":1}'), second),
    )
    assert [part.arguments for part in parts(fold(chunks))] == ['{"a":1}', "{}"]


@pytest.mark.parametrize(
    "events",
    [
        (added(function_call(), arguments=""), arguments('{"a":1}', kind="done")),
        (added(function_call(), arguments=""), done(function_call(arguments='{"a":1}'))),
        (
            added(function_call(), arguments=""),
            arguments('{"a"'),
            done(function_call(arguments='{"a":1}')),
        ),
        (done(function_call(arguments='{"a":1}')),),
        (added(function_call(), arguments=""), done(function_call(arguments={"a": 1}))),
        (),
    ],
    ids=["done-event", "item", "rest", "no-start", "object", "completed"],
)
def test_T58_arguments_wherever_they_come(events: tuple[Any, ...]) -> None:
    final = completed(function_call(arguments='{"a":1}'))
    (call,) = parts(folded(created(), *events, final))
    assert json.loads(call.arguments) == {"a": 1}
    assert call.id == "call_1"


def test_a_custom_call() -> None:
    item = {
        "id": "ctc_1",
        "type": "custom_tool_call",
        "call_id": "c",
        "name": "sh",
        "input": "ls -l",
    }
    chunks = read(
        created(),
        added(item, input=""),
        event("custom_tool_call_input.delta", item_id="ctc_1", delta="ls"),
        event("custom_tool_call_input.done", item_id="ctc_1", input="ls -l"),
        done(item),
        completed(item),
    )
    assert [c.value for c in chunks if isinstance(c, PartDelta)] == ["ls", " -l"]
    assert parts(fold(chunks)) == (
        ToolCallContent(id="c", name="sh", arguments="ls -l", kind="custom", item_id="ctc_1"),
    )


def test_reasoning_and_T60_its_proof_of_the_end() -> None:
    summary = event("reasoning_summary_text.delta", item_id="rs_1", summary_index=0, delta="a")
    chunks = read(
        created(),
        added(REASONING, summary=[], encrypted_content="half"),
        event("reasoning_summary_part.added", item_id="rs_1", summary_index=0, part={}),
        summary,
        event("reasoning_summary_text.done", item_id="rs_1", summary_index=0, text="a"),
        event("reasoning_summary_text.done", item_id="rs_1", summary_index=1, text="b"),
        done(REASONING),
        completed({**REASONING, "encrypted_content": "again"}),
        to=request_to(target("openai")),
    )
    proof = Proof("done", "encrypted", Origin("openai", "upstream", "m-1"))
    assert parts(fold(chunks)) == (ThinkingContent(summary=("a", "b"), id="rs_1", proof=proof),)
    kinds = [(c.kind, c.sub) for c in chunks if isinstance(c, PartDelta)]
    assert kinds == [("thinking_summary", 0), ("thinking_summary", 1), ("proof", 0)]


def test_open_weight_models_show_their_reasoning() -> None:
    item = {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm."}],
    }
    found = folded(
        created(),
        added(item, content=[]),
        event(
            "content_part.added", item_id="rs_1", content_index=0, part={"type": "reasoning_text"}
        ),
        event("reasoning_text.delta", item_id="rs_1", content_index=0, delta="hm"),
        done(item),
        completed(item),
    )
    assert parts(found) == (ThinkingContent(text="hm.", id="rs_1"),)


def test_T21_thoughts_and_calls_stay_in_order() -> None:
    second = {**REASONING, "id": "rs_2"}
    found = answer(REASONING, function_call(), second, message("x"))
    assert [type(part) for part in parts(found)] == [
        ThinkingContent,
        ToolCallContent,
        ThinkingContent,
        TextContent,
    ]


def test_a_refusal() -> None:
    item = message("", content=[{"type": "refusal", "refusal": "No."}])
    for found in (
        answer(item),
        folded(
            created(),
            added(message(""), content=[]),
            opened(kind="refusal"),
            event("refusal.delta", item_id="msg_1", content_index=0, delta="No"),
            event("refusal.done", item_id="msg_1", content_index=0, refusal="No."),
            done(item),
            completed(item),
        ),
    ):
        assert parts(found) == (RefusalContent(text="No.", ext=ID),)
        assert found.choices[0].finish.reason == "refusal"


ANNOTATION = {
    "type": "url_citation",
    "url": "https://e.x",
    "title": "T",
    "start_index": 0,
    "end_index": 2,
}


def test_annotations_come_once() -> None:
    part = {"type": "output_text", "text": "Hi", "annotations": [ANNOTATION]}
    item = message("", content=[part])
    noted = event(
        "output_text.annotation.added",
        item_id="msg_1",
        content_index=0,
        annotation_index=0,
        annotation=ANNOTATION,
    )
    for events in (
        (added(message("")), opened(), said("Hi"), noted, done(item)),
        (added(message("")), opened(), said("Hi"), done(item)),
    ):
        (found,) = parts(folded(created(), *events, completed(item)))
        (citation,) = found.citations
        assert citation == Citation(
            kind="url", url="https://e.x", title="T", start=0, end=2, dialect=NAME, raw=citation.raw
        )


def test_file_citations() -> None:
    annotation = {"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 3}
    part = {"type": "output_text", "text": "x", "annotations": [annotation]}
    (found,) = parts(answer(message("", content=[part])))
    assert [(c.kind, c.file_id, c.title) for c in found.citations] == [("file", "f", "a.pdf")]


TOKEN = {"token": "Hi", "bytes": [72, 105], "logprob": -0.1, "top_logprobs": []}


def test_log_probabilities_have_chats_form() -> None:
    part = {"type": "output_text", "text": "HiHi", "annotations": [], "logprobs": [TOKEN, TOKEN]}
    item = message("", content=[part])
    streamed = read(
        created(),
        added(message("")),
        opened(),
        said("Hi", logprobs=[TOKEN]),
        said("Hi", logprobs=[TOKEN]),
        done(item),
        completed(item),
    )
    assert sum(isinstance(chunk, LogprobsDelta) for chunk in streamed) == 2
    for found in (fold(streamed), answer(item)):
        logprobs = found.choices[0].logprobs
        assert logprobs is not None
        assert msgspec.json.decode(logprobs) == {"content": [TOKEN, TOKEN], "refusal": None}
        assert parts(found) == (TextContent(text="HiHi", ext=ID),)


def test_hosted_calls_and_items_nobody_knows() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"a": 1}}
    found = folded(
        created(),
        added(search, status="in_progress"),
        event("web_search_call.searching", item_id="ws_1"),
        done(search),
        added({"type": "program", "id": "p"}, 1),
        done({"type": "program", "id": "p"}, 1),
        completed(search, {"type": "program", "id": "p"}, {"type": "compaction", "id": "c"}),
    )
    call, program, compaction = parts(found)
    assert isinstance(call, ServerToolCallContent)
    assert (call.id, call.tool, call.arguments) == ("ws_1", "web_search", '{"action":{"a":1}}')
    assert isinstance(program, OpaqueContent)
    assert isinstance(compaction, CompactionContent)
    assert found.choices[0].finish.reason == "stop"


def test_calls_that_the_client_runs_end_the_turn() -> None:
    shell = {"type": "shell_call", "id": "s", "call_id": "c", "action": {}}
    assert answer(shell).choices[0].finish.reason == "tool_calls"
    client = {"type": "tool_search_call", "id": "t", "execution": "client"}
    assert answer(client).choices[0].finish.reason == "tool_calls"
    server = {"type": "tool_search_call", "id": "t", "execution": "server"}
    assert answer(server).choices[0].finish.reason == "stop"


def test_a_picture() -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"}
    (found,) = parts(answer(item))
    assert isinstance(found, ImageContent)
    assert found.source == MediaSource("base64", "AAAA", media_type="image/png")
    assert isinstance(parts(answer({**item, "result": None}))[0], ServerToolCallContent)


def test_T75_names_are_mapped_back() -> None:
    to = request_to(tool_names={"a_b": "a.b"})
    (call,) = parts(answer(function_call(name="a_b"), to=to))
    assert call.name == "a.b"
    (inner,) = parts(answer(function_call(name="send", namespace="mail")))
    assert (inner.name, inner.namespace) == ("send", "mail")


def test_calls_without_or_with_equal_ids_get_their_own() -> None:
    """Canonical.md §2, invariant 4; Bedrock's gateway numbers every turn anew."""
    found = answer(function_call(), function_call(id="fc_2"), function_call(call_id="", id=None))
    ids = [part.id for part in parts(found)]
    assert ids[0] == "call_1" and len(set(ids)) == 3 and all(ids)
    again = answer(function_call(), function_call(id="fc_2"), function_call(call_id="", id=None))
    assert [part.id for part in parts(again)] == ids


def test_T87_the_phase_of_a_message_is_kept() -> None:
    (found,) = parts(answer(message("x", phase="commentary")))
    assert found.ext[NAME]["phase"] == Raw(b'"commentary"')


def test_what_is_no_word_is_no_id() -> None:
    (found,) = parts(answer(message("x", id={"a": 1}, phase=[5])))
    assert found == TextContent(text="x")


# --- vendors --------------------------------------------------------------------------------------


def test_events_without_places_or_announcements() -> None:
    bare = {"type": "response.output_text.delta", "delta": "Hi"}
    found = folded({**bare}, {**bare, "delta": "!"}, completed())
    assert parts(found) == (TextContent(text="Hi!"),)
    by_id = {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "Hi"}
    found = folded(created(), added(message("")), by_id, completed(message("Hi")))
    assert parts(found) == (TextContent(text="Hi", ext=ID),)


def test_ids_that_change_with_every_event() -> None:
    """Copilot's are encrypted anew each time; the place tells items apart."""
    found = folded(
        created(),
        added(message("", id="a")),
        event("output_text.delta", item_id="b", content_index=0, delta="Hi"),
        done(message("Hi", id="c")),
        completed(message("Hi", id="d")),
    )
    assert parts(found) == (TextContent(text="Hi", ext={NAME: {"id": Raw(b'"a"')}}),)


def test_a_late_item_is_told_at_the_end() -> None:
    found = folded(created(), completed(message("Hello"), function_call()))
    assert [type(part) for part in parts(found)] == [TextContent, ToolCallContent]


def test_an_end_that_says_something_else_does_not_change_what_was_said() -> None:
    found = folded(created(), added(message("")), said("Hello"), completed(message("Bye")))
    assert parts(found)[0].text == "Hello"


def test_T63_padding_unknown_events_and_T48_done_are_ignored() -> None:
    raw = sse(
        created(),
        {"type": "response.brand_new", "x": 1},
        added(message("")),
        {**said("Hi"), "obfuscation": "abc"},
        event("output_text.delta", content_index=0, delta=""),
        completed(message("Hi")),
    )
    found = fold(read_bytes(raw + b"data: [DONE]\n\n"))
    assert parts(found) == (TextContent(text="Hi", ext=ID),)


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
        ),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "other"),
        ({"status": "incomplete"}, "other"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "queued"}, "other"),
    ],
)
def test_T81_ends(members: dict[str, Any], reason: str) -> None:
    assert answer(message("x"), **members).choices[0].finish.reason == reason
    ended = {"type": "response.incomplete", "response": response(message("x"), **members)}
    assert folded(created(), ended).choices[0].finish.reason == reason


def fails(*events: Any, tail: bytes = b"") -> StreamError:
    chunks = read_bytes(sse(*events) + tail)
    assert isinstance(chunks[-1], StreamError)
    return chunks[-1]


def test_T46_failures_inside_a_stream() -> None:
    failed = {
        "type": "response.failed",
        "response": response(
            status="failed", error={"code": "rate_limit_exceeded", "message": "slow"}
        ),
    }
    found = fails(created(), failed)
    assert (found.error.kind, found.error.message, found.partial) == ("rate_limit", "slow", False)
    assert fails(created(), added(message("")), said("x"), failed).partial
    flat = {"type": "error", "code": "server_error", "message": "sorry", "param": None}
    assert fails(created(), flat).error.message == "sorry"
    nested = {"type": "error", "error": {"type": "insufficient_quota", "message": "no money"}}
    assert fails(created(), nested, failed).error.kind == "quota"


def test_T50_a_failure_that_does_not_say_why() -> None:
    found = fails(created(), {"type": "response.failed", "response": {"status": "failed"}})
    assert found.error.kind == "upstream"
    assert "not why" in found.error.message


def test_an_error_without_a_type() -> None:
    chunks = read_bytes(b'data: {"error":{"message":"overloaded","code":503}}\n\n')
    assert isinstance(chunks[-1], StreamError)
    assert chunks[-1].error.kind == "overloaded"


def test_T47_a_stream_without_its_end_is_cut() -> None:
    found = fails(created(), added(message("")), said("x"))
    assert "closed the stream" in found.error.message
    assert found.partial
    assert "closed the stream" in fails().error.message


def test_nothing_comes_after_the_end() -> None:
    assert read(*TEXT, said("more"), completed()) == read(*TEXT)


def test_T38_T39_usage_of_vendors() -> None:
    apart = {
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 18,
        "output_tokens_details": {"reasoning_tokens": 3},
        "cost_in_usd_ticks": 7,
    }
    found = answer(message("x"), usage=apart).usage
    assert found is not None
    assert (found.completion_tokens, found.reasoning_tokens, found.total_tokens) == (8, 3, 18)
    assert found.ext == {NAME: {"cost_in_usd_ticks": Raw(b"7")}}
    assert answer(message("x"), usage={}).usage is None
    lifetimes = {
        "input_tokens": 10,
        "input_tokens_details": {
            "cache_write_tokens": 5,
            "cache_write_tokens_details": {"ttl_30m_tokens": 5, "ttl_12h_tokens": 0},
        },
        "output_tokens": 1,
    }
    written = answer(message("x"), usage=lifetimes).usage
    assert written is not None and written.cache_write_by_ttl == {"30m": 5, "12h": 0}


# --- JSON answers that are none -------------------------------------------------------------------


def wrong(body: bytes, to: WireRequest | None = None) -> PlexusError:
    with pytest.raises(PlexusError) as caught:
        responses.parse_response(body, to or request_to())
    return caught.value


def test_T100_an_error_in_a_200() -> None:
    body = json.dumps({"error": {"message": "no", "code": "rate_limit_exceeded"}}).encode()
    assert wrong(body).error.kind == "rate_limit"
    failed = response(status="failed", error={"code": "server_error", "message": "sorry"})
    assert wrong(json.dumps(failed).encode()).error.message == "sorry"


@pytest.mark.parametrize(
    "body",
    [b"<html>no</html>", b"", b"[]", b"{}", b'{"choices":[]}', b'{"output":5}', b'{"output":[5]}'],
)
def test_a_foreign_body(body: bytes) -> None:
    error = wrong(body).error
    assert error.kind == "upstream"
    assert "upstream" in error.message and "html>no" not in error.message


def test_an_item_of_another_shape_is_no_answer() -> None:
    assert wrong(json.dumps(response({"type": "function_call"})).encode()).error.kind == "upstream"


def stops(chunks: list[StreamChunk]) -> list[Any]:
    return [chunk.part for chunk in chunks if isinstance(chunk, PartStop)]


def test_parts_close_with_what_the_client_saw() -> None:
    """What was streamed and what the end says must not differ for other dialects."""
    chunks = read(*TEXT)
    said_ = "".join(str(c.value) for c in chunks if isinstance(c, PartDelta) and c.kind == "text")
    assert said_ == stops(chunks)[0].text == "Hello"


@pytest.mark.parametrize("kind", ["delta", "done"])
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("first", [[], [added(message(""))]], ids=["unannounced", "announced"])
def test_arguments_for_the_text_of_a_message(
    first: list[dict[str, Any]], index: int, kind: str
) -> None:
    """Found by the long fuzz: they are no part of the text, and no reason to fall over."""
    text = {"item_id": "fc_1", "content_index": index, "part": {"type": "output_text"}}
    part = event("content_part.added", 0, **text)
    with pytest.raises(msgspec.ValidationError, match="arguments of a call for a 'message'"):
        read(created(), *first, part, arguments("{}", 0, kind))
