"""Refused requests mended and sent once more (errors.md §5), through a socket, with controls.

The control of each row is the same provider under ``"repair": "never"``, where the client gets
the refusal itself, and the same refusal with words that teach nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from plexus.gateway.overlay import FACT_LIMIT, LIFETIME_S, TARGET_LIMIT, Overlay
from plexus.transformers.repairs import Repair
from tests.faults.server import FaultServer, Peer, Script
from tests.gateway import wire
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import CHAT, MESSAGES, SAY, Answer, Gateway, Json

Body = dict[str, Any]


def refuse(message: str, param: str | None = None, code: str | None = None) -> bytes:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return json.dumps({"error": error}).encode()


def picky(
    wrong: Callable[[Body], bool], error: bytes, dialect: str = "openai-chat", status: int = 400
) -> Script:
    """Refuses what is ``wrong``, and answers the rest, JSON or stream."""

    async def script(peer: Peer) -> None:
        body = json.loads(peer.request.body)
        if wrong(body):
            await peer.answer(status, error)
            return
        chat = dialect == "openai-chat"
        if body.get("stream"):
            await peer.stream(*(wire.chat_stream() if chat else wire.message_stream()))
        else:
            await peer.answer(200, wire.chat() if chat else wire.message())

    return script


def has(*names: str) -> Callable[[Body], bool]:
    return lambda body: any(name in body for name in names)


def bodies(server: FaultServer) -> list[Body]:
    return [json.loads(request.body) for request in server.requests]


TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
CHAT_ROWS: dict[str, tuple[Callable[[Body], bool], bytes, Body, str | None]] = {
    # name: what the provider refuses, its words, what the client asks, the loss that is reported
    "max_completion_tokens": (
        has("max_completion_tokens"),
        refuse("Unrecognized request argument supplied: max_completion_tokens"),
        {},
        None,
    ),
    "temperature": (
        has("temperature"),
        refuse(
            "Unsupported value: 'temperature' does not support 0.5 with this model. Only the"
            " default (1) value is supported.",
            "temperature",
            "unsupported_value",
        ),
        {"temperature": 0.5},
        "temperature",
    ),
    "stop": (has("stop"), refuse("stop is not supported"), {"stop_sequences": ["x"]}, "stop"),
    "tool_choice": (
        lambda body: body.get("tool_choice") == "required",
        refuse("Unsupported parameter: 'tool_choice'"),
        {"tools": [TOOL], "tool_choice": {"type": "any"}},
        "tool_choice.forced",
    ),
    "effort": (
        lambda body: body.get("reasoning_effort") == "max",
        refuse(
            "Unsupported value: 'reasoning_effort' does not support 'max' with this model."
            " Supported values are: 'low', 'medium', and 'high'."
        ),
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
        "reasoning.effort",
    ),
    "effort-none": (
        has("reasoning_effort"),
        refuse("Unsupported parameter: 'reasoning_effort' is not supported with this model."),
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        "reasoning",
    ),
    "effort-tools": (
        lambda body: body.get("reasoning_effort") != "none",
        refuse("Function tools with reasoning_effort are not supported for m in this route"),
        {
            "tools": [TOOL],
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "low"},
        },
        "reasoning.tools",
    ),
    "system": (
        lambda body: any(m["role"] == "system" for m in body["messages"]),
        refuse("role 'system' is not supported on this model"),
        {"system": "be brief"},
        "message.system_role",
    ),
    "prefill": (
        lambda body: body["messages"][-1]["role"] == "assistant",
        refuse("This model does not support assistant message prefill."),
        {"messages": [*SAY, {"role": "assistant", "content": "{"}]},
        "message.prefill",
    ),
    "user": (
        has("safety_identifier"),
        json.dumps(
            {
                "detail": [
                    {"loc": ["body", "safety_identifier"], "msg": "Extra inputs are not permitted"}
                ]
            }
        ).encode(),
        {"metadata": {"user_id": "u-1"}},
        None,
    ),
}


@pytest.mark.parametrize("row", CHAT_ROWS)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_a_refused_request_is_mended_once(
    serve: Serve, first: FaultServer, row: str, stream: bool
) -> None:
    wrong, error, asking, loss = CHAT_ROWS[row]
    first.script = picky(wrong, error)
    served = serve(two(provider(first), provider(first, repair="never")))
    answer = served.ask(MESSAGES, model="one", stream=stream, **asking)
    assert answer.status == 200, answer.body
    assert answer.headers["x-plexus-attempts"] == "2"
    assert answer.headers["x-plexus-attempt-log"] == "first/m=400 invalid_request repaired"
    assert warned(answer, loss)
    refused, taken = bodies(first)
    assert wrong(refused)
    assert not wrong(taken)
    # The next request is right at once, and says so.
    again = served.ask(MESSAGES, model="one", stream=stream, **asking)
    assert (again.status, again.headers["x-plexus-attempts"]) == (200, "1")
    assert bodies(first)[2] == taken
    assert warned(again, loss)
    said = [fields for _, event, fields in served.sink.lines if event == "request repaired"]
    assert len(said) == 1
    assert served.sink.wait_requests(1)[0]["attempts"] == 2
    # The control: nobody mends it when that is not wanted.
    assert served.ask(MESSAGES, model="other", stream=stream, **asking).status == 400
    # And words that teach nothing are passed on.
    first.script = picky(lambda body: True, refuse("this request is wrong"))
    plain = served.ask(MESSAGES, model="one", stream=stream, **asking)
    assert (plain.status, plain.error["message"]) == (400, "first: this request is wrong")
    assert len(first.requests) == 5


def warned(answer: Answer, loss: str | None) -> bool:
    rows = json.loads(answer.headers.get("x-plexus-warnings", "[]"))
    return loss is None or loss in [row["field"] for row in rows]


def test_a_second_refusal_is_the_clients(serve: Serve, first: FaultServer) -> None:
    """At most once per request, however much there is to learn; the next request learns more."""
    first.script = picky(
        has("temperature"), refuse("Unsupported parameter: 'temperature'"), status=400
    )
    plain = first.script

    async def script(peer: Peer) -> None:
        if "top_p" in json.loads(peer.request.body):
            await peer.answer(400, refuse("Unsupported parameter: 'top_p'"))
        else:
            await plain(peer)

    first.script = script
    served = serve(two(provider(first), provider(first)))
    asking = {"temperature": 0.5, "top_p": 0.5}
    answer = served.ask(MESSAGES, model="one", **asking)
    assert answer.status == 400
    assert "temperature" in answer.error["message"]
    assert len(first.requests) == 2
    # What was not taken was not learned: both are refused again, in the same order.
    assert served.ask(MESSAGES, model="one", **asking).status == 400
    assert len(first.requests) == 4
    assert served.ask(MESSAGES, model="one", top_p=0.5).status == 200
    # Now top_p is known, and the one repair of the request is free for temperature.
    assert served.ask(MESSAGES, model="one", **asking).status == 200


def test_a_repair_that_changes_nothing_is_not_sent(serve: Serve, first: FaultServer) -> None:
    first.script = picky(lambda body: True, refuse("Unsupported parameter: 'seed'"))
    served = serve(two(provider(first), provider(first)))
    answer = served.ask(MESSAGES, model="one")
    assert (answer.status, len(first.requests)) == (400, 1)


def test_a_failed_repair_leads_to_the_next_target(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    """The mended request is an attempt like any other; what it taught stays with its target."""

    async def script(peer: Peer) -> None:
        if "temperature" in json.loads(peer.request.body):
            await peer.answer(400, refuse("Unsupported parameter: 'temperature'"))
        else:
            await peer.answer(503, wire.chat_error())

    first.script = script
    second.script = picky(lambda body: False, b"")
    served = serve(two(provider(first), provider(second)))
    answer = served.ask(MESSAGES, model="m", temperature=0.5)
    assert answer.status == 200
    assert answer.headers["x-plexus-attempt-log"] == (
        "first/m=400 invalid_request repaired, first/m=503 overloaded"
    )
    assert bodies(second)[0]["temperature"] == 0.5
    assert not served.services.overlay.known("first/m", "openai-chat")


def test_facts_belong_to_one_target(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    first.script = picky(has("temperature"), refuse("Unsupported parameter: 'temperature'"))
    second.script = picky(lambda body: False, b"")
    served = serve(two(provider(first), provider(second)))
    served.ask(MESSAGES, model="one", temperature=0.5)
    served.ask(MESSAGES, model="other", temperature=0.5)
    assert bodies(second)[0]["temperature"] == 0.5
    assert [r.name for r in served.services.overlay.known("first/m", "openai-chat")] == [
        "without temperature"
    ]


def test_under_strict_nothing_is_mended(serve: Serve, first: FaultServer) -> None:
    first.script = picky(has("temperature"), refuse("Unsupported parameter: 'temperature'"))
    config = two(provider(first), provider(first))
    config["aliases"]["one"]["on_loss"] = "error"
    served = serve(config)
    answer = served.ask(MESSAGES, model="one", temperature=0.5)
    assert (answer.status, len(first.requests)) == (400, 1)
    # Nor is what others taught used behind the client's back.
    served.ask(MESSAGES, model="m", temperature=0.5)
    assert served.services.overlay.known("first/m", "openai-chat")
    assert served.ask(MESSAGES, model="one", temperature=0.5).status == 400
    assert "temperature" in bodies(first)[-1]


# -- Anthropic as the provider ---------------------------------------------------------------------


def claude(message: str) -> bytes:
    return wire.message_error(message, "invalid_request_error")


DETAILS = [
    {
        "type": "reasoning.text",
        "text": "hm",
        "signature": "c2ln",
        "format": "anthropic-claude-v1",
        "index": 0,
    }
]
THOUGHT = {"role": "assistant", "content": "x", "reasoning_details": DETAILS}
FULL: Json = {"sampling": "full"}
ANTHROPIC_ROWS: dict[str, tuple[Callable[[Body], bool], bytes, Body, Json]] = {
    "sampling": (
        has("temperature"),
        claude("temperature: Extra inputs are not permitted"),
        {"temperature": 0.5},
        FULL,
    ),
    "both": (
        lambda body: "temperature" in body and "top_p" in body,
        claude("`temperature` and `top_p` cannot both be specified for this model."),
        {"temperature": 0.5, "top_p": 0.5},
        FULL,
    ),
    "enabled": (
        lambda body: body.get("thinking", {}).get("type") == "enabled",
        claude('"thinking.type.enabled" is not supported for this model. Use adaptive.'),
        {"reasoning_effort": "low"},
        {"thinking": "budget"},
    ),
    "disabled": (
        lambda body: body.get("thinking", {}).get("type") == "disabled",
        claude('"thinking.type.disabled" is not supported for this model.'),
        {"reasoning_effort": "none"},
        {},
    ),
    "prefill": (
        lambda body: body["messages"][-1]["role"] == "assistant",
        claude("This model does not support assistant message prefill."),
        {"messages": [*SAY, {"role": "assistant", "content": "{"}]},
        {"prefill": True},
    ),
}


@pytest.mark.parametrize("row", ANTHROPIC_ROWS)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_anthropic_refusals(serve: Serve, first: FaultServer, row: str, stream: bool) -> None:
    wrong, error, asking, known = ANTHROPIC_ROWS[row]
    first.script = picky(wrong, error, "anthropic-messages")
    config = two(
        provider(first, "anthropic-messages", capabilities=known),
        provider(first, "anthropic-messages", capabilities=known, repair="never"),
    )
    served = serve(config)
    for attempts in ("2", "1"):
        answer = served.ask(CHAT, model="one", stream=stream, **asking)
        assert answer.status == 200, answer.body
        assert answer.headers["x-plexus-attempts"] == attempts
    assert [wrong(body) for body in bodies(first)] == [True, False, False]
    assert served.ask(CHAT, model="other", stream=stream, **asking).status == 400


def test_a_refused_signature_takes_all_thinking_out_of_this_request_only(
    serve: Serve, first: FaultServer
) -> None:
    def thinks(body: Body) -> bool:
        return '"thinking"' in json.dumps(body["messages"])

    first.script = picky(
        thinks,
        claude("messages.1.content.0: Invalid `signature` in `thinking` block"),
        "anthropic-messages",
    )
    served = serve(two(provider(first, "anthropic-messages"), provider(first)))
    asking = {"messages": [*SAY, THOUGHT, *SAY]}
    for _ in range(2):
        answer = served.ask(CHAT, model="one", **asking)
        assert (answer.status, answer.headers["x-plexus-attempts"]) == (200, "2")
    # One conversation's signature says nothing about the target.
    assert [thinks(body) for body in bodies(first)] == [True, False, True, False]
    assert not served.services.overlay.known("first/m", "anthropic-messages")


def test_reasoning_that_got_lost_switches_thinking_off(serve: Serve, first: FaultServer) -> None:
    """T80: DeepSeek wants the reasoning of a call that came from another model."""

    def wrong(body: Body) -> bool:
        return body.get("thinking") != {"type": "disabled"}

    first.script = picky(
        wrong, refuse("The reasoning_content in thinking mode must be passed back")
    )
    served = serve(two(provider(first, profile="deepseek"), provider(first)))
    answer = served.ask(MESSAGES, model="one")
    assert answer.status == 200
    assert not served.services.overlay.known("first/m", "openai-chat")


def test_a_missing_signature_of_gemini_is_made_up_for(serve: Serve, first: FaultServer) -> None:
    """Another model's call in the history; the sentinel is Google's own way out."""

    def wrong(body: Body) -> bool:
        return "extra_content" not in json.dumps(body["messages"])

    first.script = picky(wrong, refuse("Function call is missing a thought_signature."))
    served = serve(two(provider(first, profile="gemini"), provider(first)))
    use = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    done = {"type": "tool_result", "tool_use_id": "c", "content": "done"}
    history = [
        *SAY,
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [done]},
    ]
    answer = served.ask(MESSAGES, model="one", messages=history, tools=[TOOL])
    assert (answer.status, answer.headers["x-plexus-attempts"]) == (200, "2")
    (call,) = bodies(first)[1]["messages"][1]["tool_calls"]
    assert call["extra_content"]["google"] == {
        "thought_signature": "skip_thought_signature_validator"
    }
    # The control: without the profile the family is another, and nothing can be done.
    assert served.ask(MESSAGES, model="other", messages=history, tools=[TOOL]).status == 400


def test_a_refused_beta_is_left_out(serve: Serve, first: FaultServer) -> None:
    async def script(peer: Peer) -> None:
        if "old-beta" in peer.request.headers.get("anthropic-beta", ""):
            said = "Unexpected value(s) `old-beta` for the `anthropic-beta` header."
            await peer.answer(400, claude(said))
        else:
            await peer.answer(200, wire.message())

    first.script = script
    use = {"use": ["cleancache"]}
    served = serve(two(provider(first, "anthropic-messages", transformer=use), provider(first)))
    betas = {"anthropic-beta": "new-beta,old-beta"}
    for attempts in ("2", "1"):
        answer = served.ask(
            MESSAGES, {"model": "one", "messages": SAY, "max_tokens": 9}, headers=betas
        )
        assert (answer.status, answer.headers["x-plexus-attempts"]) == (200, attempts)
    assert first.requests[1].headers["anthropic-beta"] == "new-beta"


# -- pass-through ----------------------------------------------------------------------------------

RAW = b'{ "model":"one", "messages":[{"role":"developer", "content":"x"}],  "temperature":1.0 }'
PASSED: dict[str, tuple[Callable[[Body], bool], bytes, bytes, bytes]] = {
    # name: what is refused, the words, the client's bytes, the bytes after the repair
    "drop": (
        has("temperature"),
        refuse("Unsupported parameter: 'temperature'"),
        RAW,
        b'{ "model":"m", "messages":[{"role":"developer", "content":"x"}] }',
    ),
    "developer": (
        lambda body: body["messages"][0]["role"] == "developer",
        refuse("messages[0].role: unknown variant `developer`, expected one of `system`, `user`"),
        RAW,
        b'{ "model":"m", "messages":[{"role":"system", "content":"x"}],  "temperature":1.0 }',
    ),
    "rename": (
        has("max_tokens"),
        refuse(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
            " 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        ),
        b'{"messages":[],"max_tokens":1e1,"model":"one"}',
        b'{"messages":[],"model":"m","max_completion_tokens":1e1}',
    ),
}


@pytest.mark.parametrize("row", PASSED)
def test_what_is_passed_through_is_mended_only_when_that_is_enabled(
    serve: Serve, first: FaultServer, second: FaultServer, row: str
) -> None:
    wrong, error, raw, after = PASSED[row]
    first.script = second.script = picky(wrong, error)
    served = serve(two(provider(first, repair="always"), provider(second)))
    for attempts in ("2", "1"):
        answer = served.ask(CHAT, raw)
        assert (answer.status, answer.headers["x-plexus-attempts"]) == (200, attempts)
    assert [request.body for request in first.requests[1:]] == [after, after]
    # The control: by default the client's bytes stay its own, and the refusal is its own, too.
    default = served.ask(CHAT, raw.replace(b'"one"', b'"other"'))
    assert (default.status, default.body) == (400, error)
    assert len(second.requests) == 1


def test_what_translated_requests_taught_does_not_edit_what_is_passed_through(
    serve: Serve, first: FaultServer
) -> None:
    first.script = picky(has("temperature"), refuse("Unsupported parameter: 'temperature'"))
    served = serve(two(provider(first), provider(first)))
    assert served.ask(MESSAGES, model="one", temperature=0.5).status == 200
    assert served.ask(CHAT, model="one", temperature=0.5).status == 400
    assert bodies(first)[-1]["temperature"] == 0.5


def test_our_own_stream_options_are_taken_back(serve: Serve, first: FaultServer) -> None:
    """What the client did not send cannot be its fault: the byte-exact request is sent instead."""
    error = refuse("Unrecognized request argument supplied: stream_options")
    first.script = picky(has("stream_options"), error)
    served = serve(two(provider(first), provider(first, repair="never")))
    raw = b'{"model":"one", "messages":[], "stream":true}'
    for attempts in ("2", "1"):
        answer = served.ask(CHAT, raw)
        assert (answer.status, answer.headers["x-plexus-attempts"]) == (200, attempts)
        assert answer.body.endswith(wire.DONE)
    assert [r.body for r in first.requests[1:]] == [
        b'{"model":"m", "messages":[], "stream":true}'
    ] * 2
    # The control: a client that sends them itself hears what the provider says.
    own = served.ask(CHAT, b'{"model":"one","messages":[],"stream":true,"stream_options":{}}')
    assert (own.status, own.body) == (400, error)


# -- the overlay itself ----------------------------------------------------------------------------


def test_facts_expire() -> None:
    now = [1000.0]
    overlay = Overlay(lambda: now[0])
    assert overlay.known("p/m", "openai-chat") == ()
    fact = Repair(name="x", drop=("x",))
    overlay.learn("p/m", "openai-chat", fact)
    assert overlay.known("p/m", "openai-chat") == (fact,)
    assert overlay.known("p/m", "anthropic-messages") == ()
    now[0] += LIFETIME_S - 1
    assert overlay.known("p/m", "openai-chat") == (fact,)
    now[0] += 1
    assert overlay.known("p/m", "openai-chat") == ()


def test_the_overlay_is_bounded() -> None:
    overlay = Overlay(lambda: 0.0)
    for number in range(FACT_LIMIT + 5):
        overlay.learn("p/m", "d", Repair(name=f"x{number}"))
    assert [fact.name for fact in overlay.known("p/m", "d")] == [
        f"x{number}" for number in range(5, FACT_LIMIT + 5)
    ]
    overlay.learn("p/m", "d", Repair(name="once", lasting=False))
    assert len(overlay.known("p/m", "d")) == FACT_LIMIT
    for number in range(TARGET_LIMIT):
        overlay.learn(f"p/{number}", "d", Repair(name="x"))
    assert overlay.known("p/m", "d") == ()
    assert overlay.known("p/0", "d")


def test_an_expired_fact_is_learned_again(serve: Serve, first: FaultServer) -> None:
    now = [1_800_000_000.0]
    first.script = picky(has("temperature"), refuse("Unsupported parameter: 'temperature'"))
    served = serve(two(provider(first), provider(first)), clock=lambda: now[0])

    def attempts(served: Gateway) -> str:
        return served.ask(MESSAGES, model="one", temperature=0.5).headers["x-plexus-attempts"]

    assert (attempts(served), attempts(served)) == ("2", "1")
    now[0] += LIFETIME_S
    assert (attempts(served), attempts(served)) == ("2", "1")
