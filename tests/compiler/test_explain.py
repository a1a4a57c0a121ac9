"""What ``explain`` and the summary of ``build`` say of losses: what can happen, and no more."""

from __future__ import annotations

import re
from typing import Any

from plexus.compiler.explain import explain, report
from plexus.compiler.pipeline import planned
from tests.compiler.builds import examined, text


def config(model: dict[str, Any], kind: str = "openai-chat") -> dict[str, Any]:
    own = {"type": kind, "api_base_url": "https://a.example/v1", "models": {"m": model}}
    return {"providers": {"p": own}, "aliases": {"a": {"targets": ["p/m"]}}}


def said(of: dict[str, Any]) -> tuple[str, str]:
    """The summary, and the page of the alias."""
    found = examined(of)
    assert not found.failed, text(found)
    plan = planned(found)
    return report(plan), explain(plan, "a")


def fields(told: str) -> set[str]:
    """Those of the lists in a summary, or of the rows in a page; notes name fields too."""
    rows = re.findall(r"^  (?:request|response) +[a-z]+ +(\S+)", told, re.MULTILINE)
    return set(rows or re.findall(r"[a-z_.]+", told))


def test_a_loss_that_the_target_excludes_is_not_told() -> None:
    """R40: every target was said to lose its temperature."""
    summary, page = said(config({}))
    assert "anthropic-messages → openai-chat: translated for 1 target" in summary
    for told in (fields(summary), fields(page)):
        assert not {"temperature", "top_p", "max_tokens", "reasoning.effort"} & told
        assert {"container", "top_k", "stop"} <= told


def test_a_loss_that_the_capabilities_make_possible_is_told() -> None:
    capabilities = {"sampling": "none", "temperature_max": 1, "efforts": ["low"]}
    summary, page = said(config({"max_output_tokens": 100, "capabilities": capabilities}))
    for told in (fields(summary), fields(page)):
        assert {"temperature", "top_p", "max_tokens", "reasoning.effort"} <= told
    assert 'lost         temperature (sampling is "none", or drop names it)' in page


def test_what_another_target_loses_is_told_once_for_the_pair() -> None:
    both = config({})
    both["providers"]["p"]["models"]["n"] = {"capabilities": {"sampling": "none"}}
    both["aliases"]["b"] = {"targets": ["p/n"]}
    summary, page = said(both)
    assert summary.count("anthropic-messages → openai-chat") == 1
    assert "translated for 2 targets" in summary and "temperature" in summary
    assert "temperature" not in page


def test_steps_translate_within_a_dialect_and_that_loses_too() -> None:
    """R26: these losses were in the header of every answer, and in no report."""
    step = {"transformer": {"use": [["maxtoken", {"max_tokens": 9}]]}, "max_output_tokens": 100}
    summary, page = said(config(step))
    assert "openai-chat → openai-chat: translated for 1 target" in summary
    title = "\nopenai-chat → openai-chat\n"
    assert title in page
    own = page.partition(title)[2].partition("\n\n")[0]
    assert "approximated max_tokens (max_output_tokens is known)" in own
    assert "tool.name" in own
    # What only another dialect could say is not among them.
    assert not {"part.video", "extra"} & fields(own)


def test_what_is_passed_through_loses_nothing() -> None:
    _, page = said(config({}, "anthropic-messages"))
    assert "anthropic-messages → anthropic-messages" not in page
