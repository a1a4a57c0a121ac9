"""What ``explain`` and the summary of ``build`` say of losses: what can happen, and no more."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from plexus.compiler import catalog
from plexus.compiler.explain import as_data, explain, report
from plexus.compiler.pipeline import examine_text, planned
from plexus.compiler.plan import Plan
from tests.compiler.builds import examined, text


def config(model: dict[str, Any], kind: str = "openai-chat") -> dict[str, Any]:
    own = {"type": kind, "api_base_url": "https://a.example/v1", "models": {"m": model}}
    return {"providers": {"p": own}, "aliases": {"a": {"targets": ["p/m"]}}}


def plan_of(of: dict[str, Any]) -> Plan:
    found = examined(of)
    assert not found.failed, text(found)
    return planned(found)


def fields(told: str) -> set[str]:
    """The fields of the rows in a page; notes name fields too."""
    return set(re.findall(r"^  (?:request|response) +[a-z]+ +(\S+)", told, re.MULTILINE))


def counted(told: str, way: str) -> dict[str, int]:
    """``way: 3 refused, 14 lost``."""
    (line,) = re.findall(rf"^  {re.escape(way)}: (.*)$", told, re.MULTILINE)
    return {what: int(count) for count, what in (item.split(" ") for item in line.split(", "))}


def rows_of(page: str) -> Counter[str]:
    """How many rows there are of each outcome."""
    return Counter(re.findall(r"^  (?:request|response) +([a-z]+) ", page, re.MULTILINE))


MESSAGES, CHAT = "anthropic-messages", "openai-chat"


def test_build_counts_what_explain_names() -> None:
    plan = plan_of(config({"capabilities": {"sampling": "none"}}))
    summary = report(plan)
    assert summary.startswith("1 alias, 1 target; 1 of 4 routes passed through\n")
    assert "alias a: fields that can be lost, `plexus explain a --dialect D` names them" in summary
    # What is passed through has no line.
    assert f"{CHAT} →" not in summary
    for dialect in (MESSAGES, "gemini", "openai-responses"):
        page = explain(plan, "a", dialect)
        rows = rows_of(page)
        del rows["converted"]
        assert counted(summary, f"{dialect} → p/m") == rows
        assert f"\n{dialect} → {CHAT}\n  at p/m\n" in page
    # The page of all dialects has the same lines as the summary.
    assert summary.splitlines()[2:] == explain(plan, "a").splitlines()[-3:]
    assert f"\n{CHAT}: nothing is lost\n" in explain(plan, "a", CHAT)


def test_a_loss_that_the_target_excludes_is_not_told() -> None:
    """R40: every target was said to lose its temperature."""
    told = fields(explain(plan_of(config({})), "a", MESSAGES))
    assert not {"temperature", "top_p", "max_tokens", "reasoning.effort"} & told
    assert {"container", "top_k", "stop"} <= told


def test_a_loss_that_the_capabilities_make_possible_is_told() -> None:
    capabilities = {"sampling": "none", "temperature_max": 1, "efforts": ["low"]}
    plan = plan_of(config({"max_output_tokens": 100, "capabilities": capabilities}))
    page = explain(plan, "a", MESSAGES)
    assert {"temperature", "top_p", "max_tokens", "reasoning.effort"} <= fields(page)
    assert 'lost         temperature (sampling is "none", or drop names it)' in page


def test_targets_that_lose_the_same_share_a_list() -> None:
    both = config({})
    both["providers"]["p"]["models"] |= {"n": {"capabilities": {"sampling": "none"}}, "o": {}}
    both["aliases"]["a"]["targets"] = ["p/m", "p/n", "p/o"]
    plan = plan_of(both)
    page = explain(plan, "a", MESSAGES)
    assert page.count(f"\n{MESSAGES} → {CHAT}\n") == 2
    assert "\n  at p/m, p/o\n" in page
    alike, _, other = page.partition("\n  at p/n\n")
    assert "temperature" not in fields(alike) and "temperature" in fields(other)
    summary = report(plan)
    alone, more = (counted(summary, f"{MESSAGES} → {names}") for names in ("p/m, p/o", "p/n"))
    assert more["lost"] > alone["lost"]


def test_steps_translate_within_a_dialect_and_that_loses_too() -> None:
    """R26: these losses were in the header of every answer, and in no report."""
    step = {"transformer": {"use": [["maxtoken", {"max_tokens": 9}]]}, "max_output_tokens": 100}
    plan = plan_of(config(step))
    assert counted(report(plan), f"{CHAT} → p/m")["approximated"]
    own = explain(plan, "a", CHAT)
    assert f"\n{CHAT} → {CHAT}\n" in own
    assert "approximated max_tokens (max_output_tokens is known)" in own
    assert "tool.name" in fields(own)
    # What only another dialect could say is not among them.
    assert not {"part.video", "extra"} & fields(own)


def test_what_is_passed_through_loses_nothing() -> None:
    plan = plan_of(config({}, MESSAGES))
    assert f"{MESSAGES} → " not in report(plan)
    assert explain(plan, "a", MESSAGES).endswith(f"\n{MESSAGES}: nothing is lost\n")
    every = {"providers": {"e": {"type": "echo", "models": ["m"]}}}
    every["aliases"] = {"a": {"targets": ["e/m"]}}
    summary = report(plan_of(every))
    assert summary.endswith("4 of 4 routes passed through\nalias a: nothing is lost\n")


def conditional() -> Plan:
    case = Path(__file__).parent / "cases" / "conditions" / "plexus.json"
    return planned(examine_text(case.read_bytes(), "plexus.json"))


def test_candidates_are_told_with_their_conditions_in_order() -> None:
    page = explain(conditional(), "a")
    routes = page.partition("  openai/gpt-5.6")[2].partition("\n\n")[0]
    assert (
        "\n    openai-chat          function tools, reasoning not off: translated to"
        " openai-responses"
        "\n                         web search: translated to openai-responses"
        "\n                         otherwise: passed through"
        "\n    openai-responses     passed through"
    ) in routes
    assert "because of what its model refuses" in page
    both = "openai/gpt-5.6 (function tools, reasoning not off), openai/gpt-5.6 (web search)"
    assert f"  openai-chat → {both}: " in page
    # One dialect's page is about that dialect.
    chat = explain(conditional(), "a", CHAT)
    assert "otherwise: passed through" in chat
    assert not re.search(r"^    (gemini|openai-responses|anthropic-messages) ", chat, re.MULTILINE)
    assert f"  at {both}\n" in chat


def test_no_reader_is_sent_to_a_page_he_does_not_have() -> None:
    """The references are pages beside the checkout: programs get them, people do not."""
    plan = conditional()
    reference = re.compile(r"(?:mappings|canonical|errors|vendors)(?:\.md)? §|\.md §|mapping-pairs")
    for dialect in (None, *catalog.client_dialects()):
        assert not reference.search(explain(plan, "a", dialect))
    assert not reference.search(report(plan))
    assert reference.search(json.dumps(as_data(plan, "a"), ensure_ascii=False))


def test_the_same_for_programs() -> None:
    plan = conditional()
    data = json.loads(json.dumps(as_data(plan, "a", CHAT)))
    assert (data["alias"], data["selector"], data["on_loss"]) == ("a", "random", "warn")
    target = data["targets"][0]
    assert (target["name"], target["weight"]) == ("openai/gpt-5.6", 1)
    assert target["timeouts"] == {"connect": 10, "first_content": 600, "idle": 120}
    assert {route["client"] for route in target["routes"]} == {CHAT}
    first, *_, last = target["routes"]
    assert first["condition"] == {
        "name": "function tools, reasoning not off",
        "facts": ["function_tools", "reasoning_not_off"],
    }
    assert (first["upstream"], first["passthrough"]) == ("openai-responses", False)
    assert last["condition"] is None and last["passthrough"] and last["losses"] == []
    seed = next(row for row in first["losses"] if row["field"] == "seed")
    assert seed["outcome"] == "lost" and seed["reference"].endswith("§2")
    every = as_data(plan, "a")["targets"][0]["routes"]
    assert {route["client"] for route in every} == catalog.client_dialects().keys()


def test_what_is_always_so_is_no_condition() -> None:
    told = explain(plan_of(config({})), "a", MESSAGES)
    assert "part.document.file_id\n" in told
    assert "(the client speaks another dialect)" not in told


def test_capabilities_are_wrapped_between_words() -> None:
    drop = ["frequency_penalty", "logit_bias", "logprobs", "presence_penalty", "temperature"]
    told = explain(plan_of(config({"capabilities": {"thinking_drop": drop}})), "a")
    assert all(f'"{name}"' in told for name in drop)
    assert max(map(len, told.splitlines())) <= 100


def test_nothing_is_said_of_what_the_echo_provider_can() -> None:
    alone = {"providers": {"e": {"type": "echo", "models": ["m"]}}}
    told = explain(plan_of({**alone, "aliases": {"a": {"targets": ["e/m"]}}}), "a")
    assert "together" not in told
