"""What is learned from a provider's 400, row by row of errors.md §5, and what must not be."""

import json
from typing import Any

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages as anthropic
from plexus.transformers import openai_chat as chat
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.refusals import read
from plexus.transformers.repairs import (
    Repair,
    applied,
    body_edits,
    headers_without,
    rewritten,
)
from plexus.unified.content import (
    Origin,
    Proof,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.request import Reasoning, Source, UnifiedChatRequest, UnifiedMessage

CHAT, MESSAGES = "openai-chat", "anthropic-messages"


def openai(message: str, param: str | None = None, code: str | None = None) -> bytes:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return json.dumps({"error": error}).encode()


def pydantic(*where: str) -> bytes:
    found = [{"loc": list(path), "msg": "Extra inputs are not permitted"} for path in where]
    return json.dumps({"detail": found}).encode()


def claude(message: str) -> bytes:
    error = {"type": "invalid_request_error", "message": message}
    return json.dumps({"type": "error", "error": error}).encode()


def learned(body: bytes, dialect: str = CHAT, status: int = 400) -> Repair | None:
    parse = anthropic.parse_error if dialect == MESSAGES else chat.parse_error
    return read(parse(status, {}, body), dialect)


REFUSALS: list[tuple[str, bytes, dict[str, Any], tuple[str, ...]]] = [
    # "names an unsupported parameter": drop it
    (
        "openai",
        openai(
            "Unsupported parameter: 'temperature' is not supported with this model.",
            "temperature",
            "unsupported_parameter",
        ),
        {},
        ("temperature",),
    ),
    (
        "openai-value",
        openai(
            "Unsupported value: 'temperature' does not support 0.5 with this model. Only the"
            " default (1) value is supported.",
            "temperature",
            "unsupported_value",
        ),
        {},
        ("temperature",),
    ),
    (
        "openai-unknown",
        openai("Unknown parameter: 'verbosity'.", "verbosity", "unknown_parameter"),
        {},
        ("verbosity",),
    ),
    ("openai-old", openai("Unrecognized request argument supplied: store"), {}, ("store",)),
    ("groq", openai("property 'logit_bias' is unsupported"), {}, ("logit_bias",)),
    (
        "groq-message",
        openai("'messages.0' : property 'messages.0.odd' is unsupported"),
        {"known_fields_only": True},
        (),
    ),
    (
        "groq-reasoning",
        openai("property 'messages.1.reasoning_content' is unsupported"),
        {"reasoning_field": "none"},
        (),
    ),
    ("mistral", pydantic(("body", "seed"), ("body", "user")), {}, ("seed", "user")),
    ("go", openai('json: unknown field "metadata"'), {}, ("metadata",)),
    (
        "fireworks",
        openai("Extra inputs are not permitted, field: 'top_k', value: 1"),
        {},
        ("top_k",),
    ),
    (
        "xai",
        openai("Argument not supported on this model: presence_penalty"),
        {},
        ("presence_penalty",),
    ),
    ("loose", openai("logprobs is not supported"), {}, ("logprobs",)),
    (
        "parallel",
        openai("Unsupported parameter: 'parallel_tool_calls'"),
        {},
        ("parallel_tool_calls",),
    ),
    (
        "stop",
        openai("Unsupported parameter: 'stop' is not supported with this model.", "stop"),
        {"stop_max": 0},
        (),
    ),
    ("tool_choice", openai("Unsupported parameter: 'tool_choice'"), {"tool_choices": ()}, ()),
    (
        "stream_options",
        openai("Unrecognized request argument supplied: stream_options"),
        {"stream_usage": "never"},
        (),
    ),
    (
        "stream_options-loose",
        openai("stream_options is not supported"),
        {"stream_usage": "never"},
        (),
    ),
    (
        "effort-member",
        openai("Unrecognized request argument supplied: reasoning_effort"),
        {"thinking_form": "none"},
        (),
    ),
    ("strict", pydantic(("body", "tools", "0", "function", "strict")), {"strict_tools": False}, ()),
    (
        "marker",
        pydantic(("messages", "0", "content", "0", "cache_control")),
        {"cache_breakpoints": False},
        (),
    ),
    # "use max_completion_tokens", or reverse: rename
    (
        "max_completion_tokens",
        openai(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
            " 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        ),
        {"max_tokens_field": "max_completion_tokens"},
        (),
    ),
    (
        "max_tokens",
        pydantic(("body", "max_completion_tokens")),
        {"max_tokens_field": "max_tokens"},
        (),
    ),
    # efforts: the listed ones
    (
        "efforts",
        openai(
            "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model."
            " Supported values are: 'low', 'medium', and 'high'.",
            "reasoning_effort",
            "unsupported_value",
        ),
        {"efforts": ("low", "medium", "high")},
        (),
    ),
    (
        "efforts-unlisted",
        openai("This model does not support 'high' as effort", "reasoning_effort"),
        {"efforts": ("low", "medium")},
        (),
    ),
    (
        "efforts-groq",
        openai("`reasoning_effort` must be one of `none` or `default`"),
        {
            "efforts": ("none",),
            "effort_names": dict.fromkeys(
                ("minimal", "low", "medium", "high", "xhigh", "max"), "default"
            ),
        },
        (),
    ),
    (
        "no-effort",
        openai("This model does not support reasoning_effort"),
        {"thinking_form": "none"},
        (),
    ),
    (
        "tools",
        openai(
            "Function tools with reasoning_effort are not supported for gpt-5.6 in"
            " /v1/chat/completions",
            "reasoning_effort",
        ),
        {"reasoning_with_tools": False},
        (),
    ),
    # roles
    (
        "developer",
        openai(
            "Unsupported value: 'messages[0].role' does not support 'developer' with this model.",
            "messages[0].role",
            "unsupported_value",
        ),
        {"system_role": "system"},
        (),
    ),
    (
        "developer-serde",
        openai("messages[0].role: unknown variant `developer`, expected one of `system`, `user`"),
        {"system_role": "system"},
        (),
    ),
    ("system", openai("role 'system' is not supported on this model"), {"system_role": "user"}, ()),
    ("system-template", openai("System role not supported"), {"system_role": "user"}, ()),
    (
        "system-first",
        openai("System message must be at the beginning."),
        {"multi_system": False, "mid_system": False},
        (),
    ),
    (
        "prefill",
        openai("This model does not support assistant message prefill."),
        {"prefill": False},
        (),
    ),
    (
        "schema",
        openai("This response_format type is unavailable now"),
        {"json_schema": False},
        (),
    ),
]
ANTHROPIC: list[tuple[str, bytes, dict[str, Any]]] = [
    ("sampling", claude("temperature: Extra inputs are not permitted"), {"sampling": "none"}),
    (
        "both",
        claude("`temperature` and `top_p` cannot both be specified for this model."),
        {"temperature_or_top_p": True},
    ),
    (
        "enabled",
        claude('"thinking.type.enabled" is not supported for this model.'),
        {"thinking": "adaptive"},
    ),
    (
        "disabled",
        claude('"thinking.type.disabled" is not supported for this model.'),
        {"thinking_off": "refused"},
    ),
    (
        "effort",
        claude("output_config.effort: Input should be 'low', 'medium' or 'high'"),
        {"efforts": ("low", "medium", "high")},
    ),
    (
        "prefill",
        claude("This model does not support assistant message prefill. The conversation must end"),
        {"prefill": False},
    ),
]


@pytest.mark.parametrize(
    ("body", "capabilities", "drop"), [row[1:] for row in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_a_chat_refusal(body: bytes, capabilities: dict[str, Any], drop: tuple[str, ...]) -> None:
    found = learned(body)
    assert found is not None
    assert (found.capabilities, found.drop, found.lasting) == (capabilities, drop, True)
    Capabilities(**found.capabilities)
    # The same words with another status are about something else.
    assert learned(body, status=404) is None
    assert learned(body, status=500) is None


@pytest.mark.parametrize(
    ("body", "capabilities"), [row[1:] for row in ANTHROPIC], ids=[row[0] for row in ANTHROPIC]
)
def test_a_refusal_of_anthropic(body: bytes, capabilities: dict[str, Any]) -> None:
    found = learned(body, MESSAGES)
    assert found is not None
    assert (found.capabilities, found.drop) == (capabilities, ())
    assert learned(body, MESSAGES, status=529) is None


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (claude("messages.1.content.0: Invalid `signature` in `thinking` block"), "without proofs"),
        (
            claude("thinking blocks in the latest assistant message cannot be modified"),
            "without proofs",
        ),
        (
            claude("Expected `thinking` or `redacted_thinking`, but found `tool_use`"),
            "without proofs",
        ),
        (claude("The block is bound to a different conversation"), "without proofs"),
        (claude("messages.1: the block is bound to another account"), "without proofs"),
        (openai("Corrupted thought signature."), "sentinels"),
        (
            openai("Function call is missing a thought_signature in functionCall parts."),
            "sentinels",
        ),
        (openai("The reasoning_content in thinking mode must be passed back"), "without thinking"),
        (openai("Item 'fc_1' was provided without its required 'reasoning' item"), "without ids"),
        (openai("Invalid 'input[1].id'. Expected an ID that begins with 'fc'."), "without ids"),
        (
            claude(
                "tool_choice.type: tool_choice that forces tool use is not compatible with thinking"
            ),
            "tool_choice=auto",
        ),
    ],
)
def test_what_is_about_one_conversation_is_not_lasting(body: bytes, name: str) -> None:
    found = learned(body)
    assert found is not None
    assert (found.name, found.lasting) == (name, False)


@pytest.mark.parametrize(
    "body",
    [
        openai(
            "Invalid value for 'temperature': must be at most 2", "temperature", "invalid_value"
        ),
        openai("you must provide a model parameter"),
        openai("Unsupported parameter: 'messages'", "messages", "unsupported_parameter"),
        openai("Unknown parameter: 'tools'.", "tools", "unknown_parameter"),
        openai("n is not supported"),
        openai("Images are not supported by this model"),
        openai("This model's maximum context length is 8192 tokens; max_tokens is too large"),
        openai("max_tokens is too large: 100000. This model supports at most 16384", "max_tokens"),
        openai("The tool choice is wrong"),
        openai(""),
        b"",
        b"<html>400</html>",
    ],
)
def test_a_wrong_request_teaches_nothing(body: bytes) -> None:
    assert learned(body) is None


def test_a_strange_word_can_be_dropped_but_not_become_anything_else() -> None:
    found = learned(openai("Unknown parameter: 'x\"}; import os'"))
    assert found is not None
    assert found.drop == ("x",)
    long = learned(openai("Unsupported parameter: '" + "x" * 5000))
    assert long is not None
    assert len(long.name) < 100


# -- what a repair changes -------------------------------------------------------------------------

TARGET = TargetModel(provider="p", model="m", family="anthropic")
SIGNED = Proof("s", "signature", Origin("anthropic"))
THOUGHT = ThinkingContent(text="hm", proof=SIGNED, id="rs_1")
CALL = ToolCallContent(id="c", name="f", item_id="fc_1", proof=SIGNED)


def conversation() -> UnifiedChatRequest:
    text = TextContent(text="x")
    plain = ThinkingContent(text="no proof")
    assistant = UnifiedMessage(role="assistant", id="msg_1", content=(THOUGHT, plain, text, CALL))
    return UnifiedChatRequest(model="m", messages=(assistant,), source=Source(dialect="other"))


def test_repairs_add_up() -> None:
    repairs = (
        Repair(name="a", drop=("x", "y")),
        Repair(name="b", drop=("y", "z"), capabilities={"stop_max": 0}),
    )
    known = applied(TARGET, repairs).capabilities
    assert (known.drop, known.stop_max) == (("x", "y", "z"), 0)
    assert applied(TARGET, ()) is TARGET


def test_proofs_are_taken_out_and_the_rest_stays() -> None:
    (message,) = rewritten(conversation(), (Repair(name="", without_proofs=True),)).messages
    assert [type(part).__name__ for part in message.content] == [
        "ThinkingContent",
        "TextContent",
        "ToolCallContent",
    ]
    assert all(part.proof is None for part in message.content)


def test_sentinels_stand_where_a_signature_is_missing() -> None:
    bare = ToolCallContent(id="a", name="f"), ToolCallContent(id="b", name="f")
    unsigned = UnifiedMessage(role="assistant", content=(TextContent(text="x"), *bare))
    signed = UnifiedMessage(role="assistant", content=(CALL, bare[0]))
    request = UnifiedChatRequest(
        model="m", messages=(unsigned, signed), source=Source(dialect="other")
    )
    found = rewritten(request, (Repair(name="", with_sentinels=True),)).messages
    proofs = [call.proof and call.proof.value for call in found[0].tool_calls]
    assert proofs == ["skip_thought_signature_validator", None]
    assert found[1] == signed
    both = Repair(name="", without_proofs=True, with_sentinels=True)
    (_, changed) = rewritten(request, (both,)).messages
    assert changed.tool_calls[0].proof == found[0].tool_calls[0].proof


def test_thinking_is_switched_off() -> None:
    found = rewritten(conversation(), (Repair(name="", without_thinking=True),))
    assert found.reasoning == Reasoning(effort="none", enabled=False, mode="off")
    assert found.messages == conversation().messages


def test_ids_and_the_reasoning_they_tie_are_taken_out() -> None:
    (message,) = rewritten(conversation(), (Repair(name="", without_ids=True),)).messages
    assert message.id is None
    assert [type(part).__name__ for part in message.content] == ["TextContent", "ToolCallContent"]
    assert message.tool_calls[0].item_id is None


@pytest.mark.parametrize(
    ("beta", "left"),
    [("a", (("anthropic-beta", "b"),)), ("*", ()), ("c", (("anthropic-beta", "a,b"),))],
)
def test_betas(beta: str, left: Any) -> None:
    headers = (("anthropic-version", "v"), ("anthropic-beta", "a, b"))
    found = headers_without(headers, (Repair(name="", beta=beta),))
    assert found == (("anthropic-version", "v"), *left)


@pytest.mark.parametrize(
    ("message", "beta"),
    [
        (
            "Unexpected value(s) `context-1m-2025-08-07` for the `anthropic-beta` header.",
            "context-1m-2025-08-07",
        ),
        ("invalid beta flag", "*"),
    ],
)
def test_a_refused_beta_is_named_or_all_are(message: str, beta: str) -> None:
    found = learned(claude(message), MESSAGES)
    assert found is not None
    assert found.beta == beta


BODY = b"""{ "model" : "m", "max_tokens":1e1, "temperature":1.0,"top_p": 0.5,
 "messages":[ {"role" : "developer", "content":"\\"role\\":\\"developer\\""}, {"role":"user"}],
 "stop":"x","reasoning_effort":"low","tool_choice":"auto","stream_options":{} }"""


@pytest.mark.parametrize(
    ("repair", "gone", "added"),
    [
        (Repair(name="", drop=("top_p", "absent")), {"top_p"}, {}),
        (
            Repair(name="", capabilities={"max_tokens_field": "max_completion_tokens"}),
            {"max_tokens"},
            {"max_completion_tokens": 10.0},
        ),
        (Repair(name="", capabilities={"max_tokens_field": "max_tokens"}), set(), {}),
        (Repair(name="", capabilities={"stream_usage": "never"}), {"stream_options"}, {}),
        (Repair(name="", capabilities={"thinking_form": "none"}), {"reasoning_effort"}, {}),
        (Repair(name="", capabilities={"temperature_or_top_p": True}), {"top_p"}, {}),
        (Repair(name="", capabilities={"tool_choices": ()}), {"tool_choice"}, {}),
        (Repair(name="", capabilities={"stop_max": 0}), {"stop"}, {}),
        (
            Repair(name="", capabilities={"system_role": "system"}),
            set(),
            {
                "messages": [
                    {"role": "system", "content": '"role":"developer"'},
                    {"role": "user"},
                ]
            },
        ),
        (Repair(name="", capabilities={"json_schema": False}), set(), {}),
    ],
)
def test_edits_of_a_client_s_own_bytes(repair: Repair, gone: set[str], added: Any) -> None:
    body = JsonBody.parse(BODY)
    edited = body.edit(body_edits(body, (repair,)))
    before, after = json.loads(BODY), json.loads(edited)
    assert after == {k: v for k, v in before.items() if k not in gone} | added
    if not gone and not added:
        assert edited == BODY
    # What is not touched stays byte for byte.
    assert b'"temperature":1.0' in edited


THOUGHTFUL = (
    b'{"thinking": {"type":"%b", "budget_tokens":2000}, "messages": ['
    b'{"role":"user","content":"a \\"thinking\\" man"},'
    b'{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},'
    b'{"type":"redacted_thinking","data":"d"}, {"type":"text", "text":"1e0"}]},'
    b'{"role":"user","content":[{"type": "text","text":"go on"}]},'
    b'{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"s"}]},'
    b'{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"s"},'
    b'{"type":"tool_use","id":"t","name":"f","input":{"x":1.0}}]},'
    b'{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"ok"}]}]}'
)
THOUGHTLESS = (
    b'"messages": [{"role":"user","content":"a \\"thinking\\" man"},'
    b'{"role":"assistant","content":[{"type":"text", "text":"1e0"}]},'
    b'{"role":"user","content":[{"type": "text","text":"go on"}]},'
    b'{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"x":1.0}}]},'
    b'{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"ok"}]}]}'
)


def test_thinking_goes_out_of_a_client_s_own_bytes_whole() -> None:
    repair = Repair(name="", without_proofs=True)
    for kind, left in (
        (b"enabled", b'{"thinking": {"type":"disabled"}, '),
        (b"adaptive", b'{"thinking": {"type":"adaptive", "budget_tokens":2000}, '),
    ):
        body = JsonBody.parse(THOUGHTFUL % kind)
        assert body.edit(body_edits(body, (repair,))) == left + THOUGHTLESS
    for raw in (
        b'{"messages":[{"role":"user","content":"thinking\\""}]}',
        b'{"messages":[{"content":["thinking"]}]}',
        b'{"messages":"thinking"}',
        b'{"thinking":1,"messages":[{"content":[{"type":"thinking"}]}]}',
    ):
        assert body_edits(JsonBody.parse(raw), (repair,)) == {}


def test_messages_that_are_none_are_left_to_the_provider() -> None:
    system = Repair(name="", capabilities={"system_role": "system"})
    for raw in (b'{"messages":"x"}', b'{"messages":["developer"]}', b"{}"):
        assert body_edits(JsonBody.parse(raw), (system,)) == {}
