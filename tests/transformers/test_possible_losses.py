"""What the build leaves out of its report cannot happen: real requests, every pair of dialects."""

from __future__ import annotations

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.losses import Loss, Need
from plexus.unified.errors import PlexusError
from tests.fuzz.harness import DIALECTS, PAIRS, VENDORS, client_call, wire_request
from tests.streams.corpus import recorded, require_corpus

TARGETS = [
    TargetModel(provider="p", model="m", family=family, capabilities=capabilities)
    for family, capabilities in (
        ("other", Capabilities()),
        ("openai", Capabilities(sampling="full", thinking="none", prefill=True)),
        (
            "anthropic",
            Capabilities(
                max_output_tokens=16,
                sampling="none",
                thinking="budget",
                thinking_off="refused",
                efforts=("low",),
                forced_tool_choice=False,
                strict_tools=False,
                json_schema=False,
                reasoning_field="none",
                temperature_max=0.1,
            ),
        ),
        ("deepseek", Capabilities(prefill=False, reasoning_field="reasoning_content")),
    )
] + list(VENDORS)


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_loss_of_a_recorded_request_was_possible(client: str, upstream: str) -> None:
    require_corpus()
    seen = 0
    for exchange in recorded(client):
        if exchange.request is None:
            continue
        body = JsonBody.parse(exchange.request)
        try:
            asked = DIALECTS[client].parse_request(client_call(client, body))
        except PlexusError:
            continue  # a request that its provider refused too
        for target in TARGETS:
            try:
                warnings = DIALECTS[upstream].format_request(asked, target).warnings
            except PlexusError:
                continue  # refused, for which there is no list of rows
            seen += len(warnings)
            for warning in warnings:
                found = warning.loss.possible(target, client == upstream)
                assert found, (exchange.id, warning.loss, target)
    assert seen


@pytest.mark.parametrize("name", DIALECTS)
def test_a_loss_of_a_recorded_answer_was_possible(name: str) -> None:
    """The same dialect on both sides, as steps make it."""
    require_corpus()
    dialect, target = DIALECTS[name], TARGETS[0]
    asked = 0
    for exchange in recorded(name):
        if exchange.stream or exchange.status != 200 or exchange.request is None:
            continue
        try:
            call = client_call(name, JsonBody.parse(exchange.request))
            request = dialect.parse_request(call)
            response = dialect.parse_response(exchange.body, wire_request(dialect, target))
            _, warnings = dialect.format_response(response, request)
        except PlexusError:
            continue  # no answer that could be written again
        asked += 1
        for warning in warnings:
            assert warning.loss.possible(target, True), (exchange.id, warning.loss)
    assert asked > 20


@pytest.mark.parametrize(
    ("need", "capabilities", "met"),
    [
        (Need("efforts"), {}, False),
        (Need("efforts"), {"efforts": ("low",)}, True),
        (Need("sampling", ("none",)), {"sampling": "full"}, False),
        (Need("sampling", ("none",)), {}, False),
        (Need("prefill", (None, False)), {}, True),
        (Need("prefill", (None, False)), {"prefill": True}, False),
        (Need("json_schema", (False,)), {"json_schema": False}, True),
        (Need("family", ("openai",)), {}, True),
        (Need("family", ("anthropic",)), {}, False),
    ],
)
def test_needs(need: Need, capabilities: dict[str, object], met: bool) -> None:
    known = Capabilities(**capabilities)  # type: ignore[arg-type]
    target = TargetModel(provider="p", model="m", family="openai", capabilities=known)
    loss = Loss("f", "lost", "note", "reference", needs=(need,))
    assert (need.met(target), loss.possible(target, True)) == (met, met)
    foreign = Loss("f", "lost", "note", "reference", needs=(need,), foreign=True)
    assert (foreign.possible(target, False), foreign.possible(target, True)) == (met, False)
