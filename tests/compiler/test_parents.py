"""Names of musistudio/llms: every one is known as a step or a key; none disappears silently."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plexus.compiler import catalog, config, parents
from plexus.compiler.explain import explain
from plexus.compiler.pipeline import planned
from plexus.compiler.shape import schema_text
from tests.compiler.builds import codes, examined, files, heads, small

MUSISTUDIO = [
    "Anthropic",
    "OpenAI",
    "gemini",
    "vertex-gemini",
    "vertex-claude",
    "vertex-openai",
    "deepseek",
    "openrouter",
    "vercel",
    "groq",
    "cerebras",
    "tooluse",
    "enhancetool",
    "reasoning",
    "forcereasoning",
    "extrathinktag",
    "maxtoken",
    "maxcompletiontokens",
    "sampling",
    "streamoptions",
    "cleancache",
    "customparams",
    "openai-responses",
]
ON_VERTEX = "https://a.example/v1/projects/p/locations/l"
MCOWGER = ["modeloverride", "suppressdeveloperrole"]
UNFIT = ["P463"]
"""DeepSeek has no structured output, which is said wherever it stands alone."""

NEEDS = {"maxtoken": {"max_tokens": 5}, "modeloverride": {"rules": []}}


def provider(*use: Any, **more: Any) -> dict[str, Any]:
    """A config whose provider ``p`` has these entries in ``use``."""
    made = {"api_base_url": "https://a.example/v1", "transformer": {"use": list(use)}, **more}
    return small(providers={"p": made}, aliases={"a": {"targets": ["p/m"]}})


def test_the_parents_have_twenty_three_names() -> None:
    assert len(MUSISTUDIO) == 23


@pytest.mark.parametrize("name", [*MUSISTUDIO, *MCOWGER])
def test_every_name_is_known(name: str) -> None:
    typed: dict[str, Any] = {} if parents.meaning(name) else {"type": "openai-chat"}
    if name in parents.CLOUDS:
        typed = {"api_base_url": ON_VERTEX, "credential": {"type": "google"}}
    use = [name, NEEDS[name]] if name in NEEDS else name
    found = [code for code in codes(provider(use, **typed)) if code not in UNFIT]
    served = parents.DIALECTS.get(name) in (None, *catalog.dialects())
    assert found == ([] if served else ["P310"] * len(found))


@pytest.mark.parametrize("name", MUSISTUDIO)
def test_names_are_taken_exactly_as_written_with_a_hint_for_other_cases(name: str) -> None:
    other = name.upper() if name != name.upper() else name.lower()
    (head,) = heads(provider(other, type="openai-chat"))
    assert f'error P306: there is no step "{other}"; did you mean "{name}"?' in head


def test_every_meaning_leads_somewhere() -> None:
    dialects = set(parents.DIALECTS.values())
    schema = json.loads(schema_text())
    assert dialects <= set(schema["$defs"]["provider"]["properties"]["type"]["enum"])
    assert set(parents.VENDORS) <= set(catalog.step_names())
    assert set(parents.CLOUDS) <= set(parents.DIALECTS)


def test_the_schema_offers_every_name_to_editors() -> None:
    offered = json.loads(schema_text())["$defs"]["steps"]["items"]["examples"]
    known = {*catalog.step_names(), *parents.DIALECTS}
    assert offered == sorted(known, key=str.casefold)
    assert set(MUSISTUDIO + MCOWGER) <= known


def test_the_command_lists_every_name() -> None:
    command = [sys.executable, "-m", "plexus", "transformers"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=True)
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert set(MUSISTUDIO + MCOWGER) <= listed


def faults(served: tuple[str, ...], use: str, **more: Any) -> list[tuple[str, str]]:
    entry = config.StepUse(use, {}, ("providers", "p", "transformer", "use", 0))
    made = config.Provider(name="p", steps=(entry,), **more)
    return [(fault.code, fault.message) for fault in parents.faults(made, served)]


def test_a_dialect_that_is_not_served_is_said_to_be_so() -> None:
    """Whatever this version serves."""
    assert faults(("openai-chat",), "gemini", type="gemini") == [
        ("P310", '"gemini" means dialect gemini, which is not served yet')
    ]
    assert faults(("openai-chat", "gemini"), "gemini", type="gemini") == []


def test_a_name_of_a_cloud_says_the_platform_too() -> None:
    spoken = {"type": "anthropic-messages"}
    assert faults(("anthropic-messages",), "vertex-claude", **spoken, platform="vertex") == []
    assert faults(("anthropic-messages",), "vertex-claude", **spoken, platform="bedrock") == [
        (
            "P431",
            '"vertex-claude" means dialect anthropic-messages on vertex, but'
            ' providers.p.platform is "bedrock"',
        )
    ]
    own = {"api_base_url": ON_VERTEX, "credential": {"type": "google"}}
    keyed = {**own, "type": "anthropic-messages", "platform": "vertex"}
    by_key = small(providers={"p": keyed}, aliases={"a": {"targets": ["p/m"]}})
    ours, theirs = files(provider("vertex-claude", **own)), files(by_key)
    ours.pop("manifest.json"), theirs.pop("manifest.json")
    assert ours == theirs
    (head,) = heads(provider(["vertex-claude", {"project": "p"}], **own))
    assert "P309" in head and '"credential": {"type": "google"}' in head
    assert codes(provider("OpenAI", "vertex-openai", **own)) == ["P431"]


def test_a_name_and_a_key_build_the_same_package() -> None:
    for name, key in (
        ("Anthropic", {"type": "anthropic-messages"}),
        ("OpenAI", {"type": "openai-chat"}),
    ):
        keyed = {"api_base_url": "https://a.example/v1", **key}
        by_key = small(providers={"p": keyed}, aliases={"a": {"targets": ["p/m"]}})
        ours, theirs = files(provider(name)), files(by_key)
        ours.pop("manifest.json"), theirs.pop("manifest.json")
        assert ours == theirs


def test_a_name_that_says_what_the_key_says_is_no_conflict() -> None:
    assert codes(provider("OpenAI", "groq", type="openai-chat", profile="groq")) == []
    assert codes(provider("Anthropic", "deepseek", type="anthropic-messages")) == UNFIT
    assert codes(provider("Anthropic", "OpenAI")) == ["P431"]


def test_explain_says_what_names_decide() -> None:
    said = explain(planned(examined(provider("deepseek", "OpenAI"))), "a")
    assert 'dialect openai-chat ("OpenAI" in transformer.use)' in said
    assert 'profile deepseek ("deepseek" in transformer.use)' in said
    assert "deepseek (wire step)" in said


def test_bug_a_transformer_at_model_level_sent_its_wrapper() -> None:
    """musistudio: ``{body, config}`` is unwrapped at provider level only (lineage §2.1)."""
    made = provider(type="openai-chat", models={"m": {"transformer": {"use": ["cerebras"]}}})
    target = files(made)["targets/p__m.py"].decode()
    assert "WIRE_STEPS = (Cerebras(),)" in target
    assert 'family="cerebras"' in target


def test_bug_a_provider_with_options_disappeared() -> None:
    """musistudio: options on most transformers remove the whole provider (lineage §2.1)."""
    (head,) = heads(provider(["groq", {"x": 1}], type="openai-chat"))
    assert "P309" in head and "plexus.json:" in head
