"""What is said of targets that do not fit together (P461 to P465), and what silences it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plexus.compiler.explain import as_data, explain
from plexus.compiler.pipeline import planned
from tests.compiler.builds import examined

YES: dict[str, Any] = {
    "images": True,
    "forced_tool_choice": True,
    "json_schema": True,
}


def config(*models: dict[str, Any], selector: str = "random", **alias: Any) -> dict[str, Any]:
    """One alias whose targets are these models, at a provider that nothing is known of."""
    names = {f"m{number}": model for number, model in enumerate(models, 1)}
    return {
        "providers": {
            "p": {
                "type": "openai-chat",
                "api_base_url": "https://llm.example.com/v1",
                "models": names,
            }
        },
        "aliases": {"a": {"selector": selector, "targets": [f"p/{n}" for n in names], **alias}},
    }


def codes(written: dict[str, Any]) -> list[str]:
    found = examined(written)
    assert not found.failed
    assert all(item.severity == "warning" for item in found.diagnostics)
    return [item.code for item in found.diagnostics]


def able(**capabilities: Any) -> dict[str, Any]:
    return {"capabilities": capabilities}


@pytest.mark.parametrize(
    ("capability", "code"),
    [("images", "P461"), ("forced_tool_choice", "P462"), ("json_schema", "P463")],
)
@pytest.mark.parametrize("selector", ["random", "in_order"])
def test_targets_that_differ_in_what_they_can(capability: str, code: str, selector: str) -> None:
    yes, no, unknown = able(**{capability: True}), able(**{capability: False}), able()
    assert codes(config(yes, no, selector=selector)) == [code]
    assert codes(config(no, yes, unknown, selector=selector)) == [code]
    assert codes(config(no, no, selector=selector)) == []
    assert codes(config(no, unknown, selector=selector)) == []
    assert codes(config(yes, unknown, selector=selector)) == []
    assert codes(config(unknown, unknown, selector=selector)) == []


def test_the_place_is_the_target_that_cannot() -> None:
    written = config(able(images=True), able(images=False))
    text = json.dumps(written, indent=2)
    (found,) = examined(text).diagnostics
    assert text.splitlines()[found.line - 1].strip() == '"p/m2"'
    assert "p/m2" in found.message
    assert "p/m1" in found.message


def shipped(**more: Any) -> dict[str, Any]:
    """An alias of one text-only model without structured output, of which data is shipped."""
    return {
        "providers": {
            "ds": {
                "type": "openai-chat",
                "api_base_url": "https://api.deepseek.com",
                "api_key": {"env": "KEY"},
                **more,
            }
        },
        "aliases": {"a": {"targets": ["ds/deepseek-v4-pro"]}},
    }


def test_shipped_data_speaks_until_the_config_says_it_knows() -> None:
    model = "deepseek-v4-pro"
    assert codes(shipped()) == ["P461", "P463"]
    assert codes(shipped(models={model: able(images=False)})) == ["P463"]
    assert codes(shipped(models={model: able(images=True, json_schema=False)})) == []
    assert codes(shipped(capabilities={"images": False, "json_schema": False})) == []


def test_what_is_wrong_with_one_model_is_said_once() -> None:
    written = shipped()
    written["aliases"]["b"] = written["aliases"]["a"]
    assert codes(written) == ["P461", "P463"]


def test_a_vendor_without_forcing_choices() -> None:
    """What choices a vendor takes is known from its profile, too."""
    url = "http://localhost:11434/v1"
    ollama = {
        "providers": {"o": {"type": "openai-chat", "api_base_url": url, "profile": "ollama"}},
        "aliases": {"a": {"targets": ["o/some-model"]}},
    }
    assert codes(ollama) == ["P462"]
    ollama["providers"]["o"]["capabilities"] = {"forced_tool_choice": True}
    assert codes(ollama) == []
    ollama["providers"]["o"]["capabilities"] = {"tool_choices": ["auto", "function"]}
    assert codes(ollama) == []


CLAUDE = {
    "type": "anthropic-messages",
    "api_base_url": "https://api.anthropic.com/v1",
    "api_key": {"env": "KEY"},
}
OPENAI = {
    "type": "openai-responses",
    "api_base_url": "https://api.openai.com/v1",
    "api_key": {"env": "KEY"},
}


def thinkers(*targets: str, selector: str = "random", **openai: Any) -> dict[str, Any]:
    return {
        "providers": {"claude": CLAUDE, "openai": {**OPENAI, **openai}},
        "aliases": {"a": {"selector": selector, "targets": list(targets)}},
    }


def test_thinking_that_cannot_go_back() -> None:
    opus, gpt = "claude/claude-opus-5", "openai/gpt-5.5"
    assert codes(thinkers(opus, gpt)) == ["P464"]
    assert codes(thinkers(gpt, "openai/gpt-5.4", opus)) == ["P464"]
    assert codes(thinkers(opus, gpt, selector="in_order")) == []
    assert codes(thinkers(opus, "claude/claude-sonnet-5")) == []
    assert codes(thinkers(opus, "openai/some-model")) == []
    assert codes(
        thinkers("claude/claude-haiku-4-5", "openai/gpt-4o", capabilities={"thinking": "none"})
    ) == ["P465"]
    assert codes(thinkers(opus, gpt, capabilities={"thinking": "none"})) == []


def test_limits_that_shrink() -> None:
    large = {"context_window": 400_000, "max_output_tokens": 128_000}
    small = {"context_window": 200_000, "max_output_tokens": 64_000}
    short = {"context_window": 400_000, "max_output_tokens": 64_000}
    assert codes(config(large, small, selector="in_order")) == ["P465"]
    assert codes(config(small, large, selector="in_order")) == []
    assert codes(config(small, large, short, selector="in_order")) == []
    assert codes(config(small, large)) == ["P465"]
    assert codes(config(large, short)) == ["P465"]
    assert codes(config(large, {}, selector="in_order")) == []
    assert codes(config({}, large, small, selector="in_order")) == []
    assert codes(config(large, large)) == []
    (found,) = examined(config(large, small, selector="in_order")).diagnostics
    assert "200000 of 400000 tokens of context, 64000 of 128000 tokens of output" in found.message


def test_limits_within_a_tenth_are_equal() -> None:
    assert codes(config({"context_window": 1_050_000}, {"context_window": 1_000_000})) == []
    assert codes(config({"context_window": 1_050_000}, {"context_window": 900_000})) == ["P465"]


def test_each_limit_has_its_own_smallest_target() -> None:
    narrow = {"context_window": 100_000, "max_output_tokens": 64_000}
    terse = {"context_window": 200_000, "max_output_tokens": 8_000}
    assert codes(config(narrow, terse)) == ["P465", "P465"]


def test_echo_and_what_is_switched_off_stay_out() -> None:
    written = config({"context_window": 400_000}, {"context_window": 8_000})
    assert codes(written) == ["P465"]
    written["providers"]["off"] = {**written["providers"]["p"], "enabled": False}
    written["aliases"]["a"]["targets"] = ["p/m1", "off/m2"]
    assert codes(written) == []
    echo = {"type": "echo", "models": written["providers"]["p"]["models"]}
    assert codes({**written, "providers": {"p": echo, "off": echo}}) == []


def test_explain_has_the_same_facts() -> None:
    written = config(
        {"context_window": 400_000, **able(**YES, thinking="budget")},
        {"context_window": 200_000, **able(images=False, json_schema=True)},
        {"context_window": 300_000, **able(json_schema=True)},
    )
    text = explain(planned(examined(written)), "a")
    together = text.partition("  together\n")[2].partition("\n\n")[0]
    assert together.splitlines() == [
        "    images             not at p/m2; unknown at p/m3",
        "    forced tools       unknown at p/m2, p/m3",
        "    structured output  at every target",
        "    thinking           goes back to its own family: openai",
        "    tokens of context  at least 200000, at most 400000",
    ]
    (found,) = as_data(planned(examined(written)), "a")["unfit"][:1]
    assert (found["index"], found["code"]) == (1, "P461")
    assert "together" not in explain(planned(examined(config({}))), "a")
