"""``suppressdeveloperrole``: the role goes, everything else stays as the client wrote it."""

from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.steps.suppressdeveloperrole import SuppressDeveloperRole
from tests.transformers.steps.support import edited, edited_bytes, prepared, sent

STEP = SuppressDeveloperRole()


def test_developer_becomes_system_in_its_place() -> None:
    said = [
        {"role": "developer", "content": "a"},
        {"role": "user", "content": "developer"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}], "name": "x"},
    ]
    assert edited(STEP, {"messages": said}) == {
        "messages": [
            {"role": "system", "content": "a"},
            {"role": "user", "content": "developer"},
            {"role": "system", "content": [{"type": "text", "text": "b"}], "name": "x"},
        ]
    }


def test_items_of_responses_are_messages_too() -> None:
    said = [{"type": "message", "role": "developer", "content": "a"}, {"type": "reasoning"}]
    changed = edited(STEP, {"input": said}, "openai-responses")
    assert [item.get("role") for item in changed["input"]] == ["system", None]
    assert edited(STEP, {"input": "developer"}, "openai-responses") == {"input": "developer"}


def test_dialects_without_the_role_are_left_alone() -> None:
    body = {"messages": [{"role": "developer", "content": "a"}]}
    assert edited(STEP, body, "anthropic-messages") == body


def test_a_body_without_the_role_keeps_its_bytes() -> None:
    body = b'{ "messages" : [ {"role":"user", "content":1.50e1} ], "x": 1.0}'
    assert edited_bytes(STEP, body) == body


def test_other_messages_keep_their_bytes() -> None:
    odd = b'{"content":1.50e1,"role":"user"}'
    body = b'{"messages":[{"role":"developer"},%s]}' % odd
    assert odd in edited_bytes(STEP, body)


def test_malformed_messages_are_the_providers_business() -> None:
    for body in ({"messages": "x"}, {"messages": [1, None, {"role": 5}]}, {}):
        assert edited(STEP, body) == body


def test_pass_through_stays_possible_and_translation_does_it_too() -> None:
    body = {"model": "m", "messages": [{"role": "developer", "content": "a"}]}
    passed = prepared(openai_chat, openai_chat, body, wire_steps=[STEP])
    assert sent(passed)["messages"] == [{"role": "system", "content": "a"}]
    to_claude = prepared(openai_chat, anthropic_messages, body, wire_steps=[STEP])
    assert "developer" not in to_claude.wire.body.decode()
