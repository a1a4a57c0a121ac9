"""``modeloverride``: a condition on the provider's body chooses another model of the provider."""

import json
from typing import Any

import msgspec
import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.steps.customparams import CustomParams
from plexus.transformers.steps.modeloverride import Condition, ModelOverride, Rule
from tests.transformers.steps.support import ASK, prepared, sent

TARGET = TargetModel(provider="p", model="r1", family="deepseek")


def step(*rules: dict[str, Any]) -> ModelOverride:
    """From options as a config writes them."""
    return msgspec.convert({"rules": list(rules)}, ModelOverride)


def rule(field: str, model: str = "r1", to: str = "r1-fast", **value: Any) -> dict[str, Any]:
    return {"model": model, "rewriteTo": to, "conditions": [{"field": field, **value}]}


OFF = step(rule("reasoning.enabled", value=False))


def chosen(made: ModelOverride, body: object, model: str = "r1") -> str:
    return made.choose_model(JsonBody.parse(json.dumps(body).encode()), "openai-chat", model)


@pytest.mark.parametrize(
    ("field", "value", "body", "holds"),
    [
        ("reasoning.enabled", False, {"reasoning": {"enabled": False}}, True),
        ("reasoning.enabled", False, {"reasoning": {"enabled": True}}, False),
        ("reasoning.enabled", False, {"reasoning": {"enabled": 0}}, False),
        ("reasoning.enabled", False, {"reasoning": {}}, False),
        ("reasoning.enabled", False, {"reasoning": None}, False),
        ("reasoning.enabled", False, {}, False),
        ("a", 1, {"a": 1.0}, True),
        ("a", 1, {"a": True}, False),
        ("a", "1", {"a": 1}, False),
        ("a", None, {"a": None}, True),
        ("a", None, {}, False),
        ("a", [1, {"b": True}], {"a": [1, {"b": True}]}, True),
        ("a", [1, {"b": True}], {"a": [1, {"b": 1}]}, False),
        ("a.1.b", 2, {"a": [0, {"b": 2}]}, True),
        ("a.5", 2, {"a": [0]}, False),
        ("a.b.c", 2, {"a": "b"}, False),
    ],
)
def test_a_value_is_compared_as_json(field: str, value: Any, body: object, holds: bool) -> None:
    assert (chosen(step(rule(field, value=value)), body) == "r1-fast") is holds


def test_without_a_value_presence_is_enough() -> None:
    made = step(rule("reasoning"))
    assert chosen(made, {"reasoning": None}) == "r1-fast"
    assert chosen(made, {}) == "r1"


def test_any_condition_is_enough_and_the_first_rule_decides() -> None:
    two = {**rule("a"), "conditions": [{"field": "a"}, {"field": "b", "value": 2}]}
    made = step(two, rule("b", to="other"))
    assert chosen(made, {"b": 2}) == "r1-fast"
    assert chosen(made, {"b": 3}) == "other"
    assert chosen(made, {"b": 2}, model="x") == "x"


def test_rules_that_undo_each_other_are_applied_once() -> None:
    made = step(rule("a"), rule("a", model="r1-fast", to="r1"))
    body = {**ASK, "a": 1}
    attempt = prepared(openai_chat, openai_chat, body, target=TARGET, wire_steps=[made])
    assert sent(attempt)["model"] == "r1-fast"


@pytest.mark.parametrize("value", [None, False])
def test_pass_through_stays_byte_for_byte_but_for_the_model(value: object) -> None:
    body = {**ASK, "reasoning": {"enabled": value}}
    attempt = prepared(openai_chat, openai_chat, body, target=TARGET, wire_steps=[OFF])
    model = "r1-fast" if value is False else "r1"
    assert attempt.wire.body == json.dumps({**body, "model": model}).encode()
    assert attempt.wire.target.model == model


def test_a_translated_request_is_written_for_the_other_model() -> None:
    made = step(rule("thinking.type", value="enabled"), rule("thinking.type", value="adaptive"))
    body = {**ASK, "reasoning_effort": "high"}
    attempt = prepared(openai_chat, anthropic_messages, body, target=TARGET, wire_steps=[made])
    assert sent(attempt)["model"] == attempt.wire.target.model == "r1-fast"


def test_conditions_see_what_earlier_steps_wrote_and_edits_are_kept() -> None:
    adds = CustomParams(params={"reasoning": {"enabled": False}})
    for order, model in (([adds, OFF], "r1-fast"), ([OFF, adds], "r1")):
        attempt = prepared(openai_chat, openai_chat, ASK, target=TARGET, wire_steps=order)
        assert sent(attempt) == {**ASK, "model": model, "reasoning": {"enabled": False}}


def test_its_rules_are_plain_data() -> None:
    (made,) = step(rule("a", value=None)).rules
    condition = Condition(field="a", value=None)
    assert made == Rule(model="r1", rewrite_to="r1-fast", conditions=(condition,))
