"""The named steps, one by one, on the data they change."""

import json

from msgspec import Raw

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.steps.cleancache import CleanCache
from plexus.transformers.steps.customparams import CustomParams
from plexus.transformers.steps.maxcompletiontokens import MaxCompletionTokens
from plexus.transformers.steps.maxtoken import MaxToken
from plexus.transformers.steps.reasoning import Reasoning
from plexus.transformers.steps.sampling import Sampling
from plexus.transformers.steps.streamoptions import StreamOptions
from plexus.unified.content import CacheControl, TextContent, ToolResultContent
from plexus.unified.request import (
    FunctionTool,
    PromptCache,
    Source,
    UnifiedChatRequest,
    UnifiedMessage,
)
from plexus.unified.request import Reasoning as ReasoningRequest

TARGET = TargetModel(provider="p", model="m", family="openai")


def request(**fields: object) -> UnifiedChatRequest:
    given: dict[str, object] = {
        "model": "m",
        "messages": (UnifiedMessage(role="user", content=(TextContent(text="hi"),)),),
        "source": Source(dialect="openai-chat"),
    }
    return UnifiedChatRequest(**{**given, **fields})  # type: ignore[arg-type]


def edited(step: WireStep, body: object, dialect: str = "openai-chat") -> object:
    document = JsonBody.parse(json.dumps(body).encode())
    return json.loads(document.edit(step.edit(document, dialect)))


def test_maxtoken_caps_and_respects_silence() -> None:
    step = MaxToken(max_tokens=100)
    assert step.request(request(max_tokens=500), TARGET).max_tokens == 100
    assert step.request(request(max_tokens=50), TARGET).max_tokens == 50
    assert step.request(request(), TARGET).max_tokens is None
    assert step.request(request(max_tokens=0), TARGET).max_tokens == 0


def test_maxcompletiontokens_renames_in_chat_only() -> None:
    step = MaxCompletionTokens()
    assert edited(step, {"max_tokens": 5, "a": 1}) == {"max_completion_tokens": 5, "a": 1}
    both = {"max_tokens": 5, "max_completion_tokens": 7}
    assert edited(step, both) == {"max_completion_tokens": 7}
    assert edited(step, {"max_tokens": 5}, "anthropic-messages") == {"max_tokens": 5}
    assert edited(step, {"a": 1}) == {"a": 1}


def test_sampling_caps_one_and_overrides_the_others() -> None:
    step = Sampling(max_tokens=10, temperature=0.0, top_k=3)
    changed = step.request(request(max_tokens=20, temperature=1.0, top_p=0.5), TARGET)
    assert (changed.max_tokens, changed.temperature, changed.top_p, changed.top_k) == (
        10,
        0.0,
        0.5,
        3,
    )
    assert step.request(request(), TARGET).max_tokens is None


def test_customparams_client_wins_unless_override() -> None:
    params = {"a": 1, "deep": {"x": 1, "y": {"z": 1}}, "list": [1]}
    sent = {"a": 2, "deep": {"x": 2, "y": {"w": 2}}, "list": [2]}
    kept = {"a": 2, "deep": {"x": 2, "y": {"w": 2, "z": 1}}, "list": [2]}
    assert edited(CustomParams(params=params), sent) == kept
    forced = {"a": 1, "deep": {"x": 1, "y": {"w": 2, "z": 1}}, "list": [1]}
    assert edited(CustomParams(params=params, override=True), sent) == forced
    assert edited(CustomParams(params=params), {}) == params
    assert edited(CustomParams(params={"a": {"b": 1}}, override=True), {"a": 5}) == {"a": {"b": 1}}
    assert edited(CustomParams(params={"a": {"b": 1}}), {"a": 5}) == {"a": 5}


def test_customparams_keeps_the_clients_spelling() -> None:
    """What is passed through is not read: numbers stay as they were written (canonical.md §8)."""
    body = JsonBody.parse(b'{"a":{"x":1e999,"y":{"z": 1.0}}}')
    changes = CustomParams(params={"a": {"k": 1, "y": {"w": 2}}}).edit(body, "openai-chat")
    assert changes == {"a": b'{"x":1e999,"y":{"z":1.0,"w":2},"k":1}'}


def test_streamoptions_asks_for_usage_on_chat_streams() -> None:
    step = StreamOptions()
    asked = {"stream": True, "stream_options": {"include_obfuscation": False}}
    want = {"include_obfuscation": False, "include_usage": True}
    assert edited(step, asked) == {"stream": True, "stream_options": want}
    assert edited(step, {"stream": False}) == {"stream": False}
    assert edited(step, {"stream": True}, "anthropic-messages") == {"stream": True}
    done = {"stream": True, "stream_options": {"include_usage": True}}
    assert edited(step, done) == done
    odd = {"stream": True, "stream_options": 5}
    assert edited(step, odd) == {"stream": True, "stream_options": {"include_usage": True}}


def test_cleancache_removes_markers_at_every_depth() -> None:
    mark = CacheControl()
    inner = TextContent(text="r", cache_control=mark)
    result = ToolResultContent(tool_call_id="c", content=(inner,), cache_control=mark)
    marked = request(
        messages=(UnifiedMessage(role="tool", content=(result,)),),
        tools=(FunctionTool(name="f", cache_control=mark),),
        prompt_cache=PromptCache(key="k", auto=mark),
    )
    clean = CleanCache().request(marked, TARGET)
    part = clean.messages[0].content[0]
    assert isinstance(part, ToolResultContent)
    assert part.cache_control is None and part.content[0].cache_control is None
    tool = clean.tools[0]
    assert isinstance(tool, FunctionTool) and tool.cache_control is None
    assert clean.prompt_cache == PromptCache(key="k")
    assert marked.tools[0] == FunctionTool(name="f", cache_control=mark)  # the input is untouched


def chat_extra(step: Reasoning, reasoning: ReasoningRequest | None) -> dict[str, object]:
    extra = step.request(request(reasoning=reasoning), TARGET).extra.get("openai-chat", {})
    return {name: json.loads(bytes(value)) for name, value in extra.items()}


def test_reasoning_writes_the_vendor_switches() -> None:
    on = Reasoning()
    assert chat_extra(on, None) == {}
    assert chat_extra(on, ReasoningRequest(effort="medium")) == {
        "thinking": {"type": "enabled", "budget_tokens": 8192},
        "enable_thinking": True,
    }
    assert chat_extra(on, ReasoningRequest(max_tokens=2000))["thinking"] == {
        "type": "enabled",
        "budget_tokens": 2000,
    }
    off = {"thinking": {"type": "disabled"}, "enable_thinking": False}
    assert chat_extra(on, ReasoningRequest(effort="none")) == off
    assert chat_extra(Reasoning(enable=False), ReasoningRequest(effort="high")) == off
    assert chat_extra(Reasoning(enable=False), None) == off


def test_reasoning_keeps_other_extras() -> None:
    kept = request(
        extra={"openai-chat": {"x": Raw(b"1")}}, reasoning=ReasoningRequest(effort="low")
    )
    assert set(Reasoning().request(kept, TARGET).extra["openai-chat"]) == {
        "x",
        "thinking",
        "enable_thinking",
    }
