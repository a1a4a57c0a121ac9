"""The vendors' data files: well formed, with sources, of values the schema has; who gets which."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from plexus.compiler.explain import as_data, explain
from plexus.compiler.pipeline import examine_text, generated, planned
from plexus.compiler.plan import Plan
from plexus.compiler.profiles import Profile, by_hosts, profiles, typed
from plexus.compiler.shape import validator_for
from plexus.compiler.urls import base_url
from plexus.transformers.capabilities import Capabilities

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT.parent / "shared" / "reference"
SCHEMA = json.loads((ROOT / "schema" / "plexus.schema.json").read_text(encoding="utf-8"))
FILES = sorted((ROOT / "plexus" / "compiler" / "profiles").glob("*.json"))
NAMES = [path.stem for path in FILES]

VENDORS = (
    "azure cerebras deepseek fireworks groq huggingface llama.cpp lm-studio mistral moonshot"
    " ollama openai openrouter perplexity qwen sglang together vercel vllm xai zai"
)


def test_every_vendor_has_its_file() -> None:
    assert sorted(profiles()) == NAMES
    assert set(VENDORS.split()) <= set(NAMES)


def groups(profile: Profile) -> list[dict[str, Any]]:
    """Every set of capabilities in a profile."""
    return [profile.capabilities, *(quirks.capabilities for quirks in profile.models)]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_what_a_profile_says_could_stand_in_a_config(path: Path) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    capabilities = {**SCHEMA["$defs"]["capabilities"], "$defs": SCHEMA["$defs"]}
    validator = validator_for(capabilities)
    for said in [data["capabilities"], *(m["capabilities"] for m in data.get("models", []))]:
        assert [error.message for error in validator.iter_errors(said)] == []
        assert list(said) == sorted(said)
    for said in groups(profiles()[path.stem]):
        Capabilities(**typed(said))
    assert date.fromisoformat(data["date"])
    assert all(name == name.lower() for name in data.get("headers", {}))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_profile_says_has_a_source(name: str) -> None:
    if not REFERENCE.is_dir():
        pytest.skip("*** SKIPPED: the protocol reference is not beside this checkout ***")
    assert profiles()[name].source
    for source in profiles()[name].source:
        page, _, section = source.partition(" §")
        if page.endswith(".md"):
            text = (REFERENCE / page).read_text(encoding="utf-8")
            assert f"# {section}" in text.replace("###", "#").replace("##", "#"), source


def test_no_host_chooses_two_profiles() -> None:
    hosts = [host for profile in profiles().values() for host in profile.hosts]
    assert len(hosts) == len(set(hosts))
    for name, profile in profiles().items():
        for host in profile.hosts:
            dialect = (profile.dialects or ("openai-chat",))[0]
            assert by_hosts({dialect: host.replace("*", "some")}) == name


def test_a_stranger_has_no_profile_and_a_quarrel_neither() -> None:
    assert by_hosts({}) is None
    for host in ("localhost", "api.deepseek.com.example.com", "evil-openai.azure.com"):
        assert by_hosts({"openai-chat": host}) is None
    groq = {"openai-chat": "api.groq.com"}
    assert by_hosts({**groq, "openai-responses": "api.x.ai"}) is None
    assert by_hosts({**groq, "openai-responses": "llm.example.com"}) == "groq"


def test_a_host_of_several_vendors_models_tells_by_the_dialect() -> None:
    """Claude at Azure is no OpenAI model."""
    host = "r.services.ai.azure.com"
    assert by_hosts({"openai-chat": host}) == "azure"
    assert by_hosts({"anthropic-messages": host}) is None
    assert by_hosts({"openai-chat": host, "anthropic-messages": host}) is None


def plan(**provider: Any) -> Plan:
    config = {
        "providers": {
            "p": {
                "type": "openai-chat",
                "api_key": {"env": "KEY"},
                "models": ["m"],
                **provider,
            }
        },
        "aliases": {"a": {"targets": [f"p/{next(iter(provider.get('models', ['m'])))}"]}},
    }
    found = examine_text(json.dumps(config).encode(), "plexus.json")
    assert not found.failed, found.diagnostics
    return planned(found)


GROQ = "https://api.groq.com/openai/v1"
ELSEWHERE = "https://llm.example.com/v1"


@pytest.mark.parametrize(
    ("provider", "family", "field", "says"),
    [
        (
            {"api_base_url": GROQ},
            "groq",
            "max_completion_tokens",
            "profile groq, chosen by the host",
        ),
        (
            {"api_base_url": ELSEWHERE, "profile": "groq"},
            "groq",
            "max_completion_tokens",
            'profile groq, chosen by the key "profile"',
        ),
        (
            {"api_base_url": GROQ, "profile": "mistral"},
            "mistral",
            "max_tokens",
            'profile mistral, chosen by the key "profile"',
        ),
        ({"api_base_url": ELSEWHERE}, "openai", None, None),
    ],
)
def test_a_profile_is_chosen_by_key_or_host(
    provider: dict[str, Any], family: str, field: str | None, says: str | None
) -> None:
    made = plan(**provider)
    target = made.targets["p/m"]
    assert (target.family, target.capabilities.get("max_tokens_field")) == (family, field)
    text = explain(made, "a")
    assert (says in text) if says else ("profile" not in text)
    if says:
        assert ".md §" not in text
        source = f"vendors.md §{3 if family == 'groq' else 6}"
        (target_data,) = as_data(made, "a")["targets"]
        assert source in target_data["profile"]["source"]
        assert f"max_tokens_field={json.dumps(field)}" in text


def test_the_more_special_word_wins_key_by_key() -> None:
    """Profile, the profile's words for the model, the provider's capabilities, the model's own."""
    made = plan(
        api_base_url=GROQ,
        capabilities={"stop_max": 2, "tools_max": 5, "n_max": 4.0},
        models={
            "qwen/qwen3-32b": {"capabilities": {"tools_max": 7, "efforts": ["low"]}},
            "llama": {},
        },
    )
    special = made.targets["p/qwen/qwen3-32b"].capabilities
    plain = made.targets["p/llama"].capabilities
    assert special["effort_names"]["low"] == "default"
    assert (special["efforts"], plain.get("efforts")) == (("low",), None)
    assert (special["stop_max"], special["tools_max"], special["n_max"]) == (2, 7, 4)
    assert (plain["stop_max"], plain["tools_max"], plain["stream_usage"]) == (2, 5, "always")


def test_headers_of_a_profile_yield_to_the_config() -> None:
    url = "https://openrouter.ai/api/v1"
    assert '"x-title": "Plexus"' in providers(api_base_url=url)
    own = providers(api_base_url=url, headers={"X-Title": "Mine"})
    assert '"X-Title": "Mine"' in own
    assert "Plexus" not in own


def providers(**provider: Any) -> str:
    config = {
        "providers": {"p": {"type": "openai-chat", "api_key": {"env": "KEY"}, **provider}},
        "aliases": {"a": {"targets": ["p/m"]}},
    }
    found = examine_text(json.dumps(config).encode(), "plexus.json")
    assert not found.failed, found.diagnostics
    return generated(found)["providers.py"].decode()


@pytest.mark.parametrize(
    ("provider", "families", "says"),
    [
        ({"transformer": {"use": ["groq"]}}, ("groq", "groq"), "the name of a step"),
        ({"transformer": {"m": {"use": ["groq"]}}}, ("groq", "openai"), "the name of a step"),
        (
            {"profile": "mistral", "transformer": {"m": {"use": ["groq"]}}},
            ("groq", "mistral"),
            "the name of a step",
        ),
        (
            {"profile": "groq", "transformer": {"use": ["groq"]}},
            ("groq", "groq"),
            'the key "profile"',
        ),
    ],
)
def test_a_vendor_s_step_chooses_its_profile(
    provider: dict[str, Any], families: tuple[str, str], says: str
) -> None:
    made = plan(api_base_url=ELSEWHERE, models=["m", "other"], **provider)
    assert tuple(made.targets[name].family for name in ("p/m", "p/other")) == families
    assert f"profile groq, chosen by {says}" in explain(made, "a")


def test_all_dialects_of_a_provider_share_its_profile() -> None:
    both = examine_text(
        json.dumps(
            {
                "providers": {
                    "d": {
                        "api_base_url": {
                            "openai-chat": "https://api.deepseek.com",
                            "anthropic-messages": "https://api.deepseek.com/anthropic/v1",
                        },
                        "models": ["m"],
                        "api_key": {"env": "KEY"},
                    }
                },
                "aliases": {"a": {"targets": ["d/m"]}},
            }
        ).encode(),
        "plexus.json",
    )
    assert planned(both).targets["d/m"].family == "deepseek"


@pytest.mark.parametrize(
    ("capability", "value", "column"),
    [
        ("drop", ["messages"], "could be left out"),
        ("thinking_drop", ["tools"], "could be left out"),
        ("effort_names", {"huge": "x"}, "is no effort"),
        ("think_tags", ["<a>", ""], "is empty"),
        ("tool_choices", ["any"], "cannot be"),
        ("rename", {"seed": ""}, "is empty"),
        ("tool_id_length", 2, "at least 4"),
    ],
)
def test_capabilities_that_could_not_work_are_diagnostics(
    capability: str, value: Any, column: str
) -> None:
    config = {
        "providers": {
            "p": {
                "type": "openai-chat",
                "api_base_url": ELSEWHERE,
                "capabilities": {capability: value},
            }
        },
        "aliases": {"a": {"targets": ["p/m"]}},
    }
    found = examine_text(json.dumps(config, indent=1).encode(), "plexus.json")
    errors = [item for item in found.diagnostics if item.severity == "error"]
    assert len(errors) == 1
    assert column in errors[0].message


@pytest.mark.parametrize("name", NAMES)
def test_hosts_are_public_https_hosts(name: str) -> None:
    for host in profiles()[name].hosts:
        assert base_url(f"https://{host.replace('*', 'x')}", allow_http=False).place == "public"
