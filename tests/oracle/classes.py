"""The classes of differences: what musistudio/llms does, what Plexus does, who is right and why.

A difference belongs to the first class that fits it.  ``why`` names the trap (T) of
reference/traps.md or the section that decides.  One that fits no class is a finding: of a bug in
Plexus, of one in the parent, or of a class that is still to be written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from tests.oracle.exchanges import CHAT, GEMINI, MESSAGES, RESPONSES, TRANSLATING, Exchange
from tests.oracle.facts import MISSING, Difference

if TYPE_CHECKING:
    from tests.oracle.servers import Said


@dataclass(frozen=True)
class View:
    """A difference ``d`` of exchange ``x``, and what both said: as values, and as it came."""

    d: Difference
    x: Exchange
    left: Any
    right: Any
    parent: Said
    plexus: Said

    @property
    def gone(self) -> bool:
        """Only Plexus has it."""
        return bool(self.d.parent == MISSING)

    @property
    def extra(self) -> bool:
        """Only the parent has it."""
        return bool(self.d.plexus == MISSING)

    @property
    def dialect(self) -> str:
        return self.x.route.dialect

    @cached_property
    def upstream(self) -> str:
        return self.x.answer.decode("utf-8", "replace")


Predicate = Callable[[View], bool]
Right = Literal["Plexus", "both", "musistudio/llms"]


@dataclass(frozen=True)
class Class:
    """``path`` is matched whole; ``on`` must hold; clients, dialects and routes as far as given."""

    name: str
    side: Literal["ask", "answer"]
    path: str
    parent: str
    plexus: str
    right: Right
    why: str
    on: Predicate = lambda view: True
    client: str | None = None
    dialects: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()

    def fits(self, view: View) -> bool:
        return (
            view.d.side == self.side
            and re.fullmatch(self.path, view.d.path) is not None
            and self.client in (None, view.x.client)
            and (not self.dialects or view.dialect in self.dialects)
            and (not self.routes or view.x.route.name in self.routes)
            and self._holds(view)
        )

    def _holds(self, view: View) -> bool:
        try:
            return self.on(view)
        except (AttributeError, KeyError, TypeError):
            return False  # Values of another kind than the class knows.


def text_of(value: Any) -> str | None:
    """The text of a string or of text parts; None when there is anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not all("text" in part for part in value):
        return None
    return "".join(part["text"] for part in value)


def parts_of(value: Any) -> Any:
    """The parts of a content of Gemini, and anything else as it is."""
    return value.get("parts", value) if isinstance(value, dict) else value


def same_text(view: View) -> bool:
    return text_of(view.d.parent) == text_of(view.d.plexus) is not None


def marked(value: Any) -> bool:
    """Whether there is a cache marker in it."""
    return '"cache_control": {' in json.dumps(value)


def server_tools(body: dict[str, Any]) -> bool:
    """Whether a Messages request offers tools that Anthropic runs itself."""
    return any(tool.get("type", "custom") != "custom" for tool in body.get("tools") or ())


def nameless(value: Any) -> bool:
    """Whether it is a function without parameters, or a list of such."""
    tools = value if isinstance(value, list) else [value]
    return all("parameters" not in (tool.get("function") or tool) for tool in tools)


def functions(body: dict[str, Any]) -> bool:
    """Whether a provider's body offers functions."""
    text = json.dumps(body.get("tools") or [])
    return any(word in text for word in ('"function', '"input_schema'))


def system_of(view: View) -> bool:
    """Whether the parent's user turn is the client's system text."""
    asked = view.x.body
    said = [asked.get("system")]
    said += [m["content"] for m in asked["messages"] if m["role"] in ("system", "developer")]
    text = text_of(view.d.parent.get("parts") or view.d.parent.get("content"))
    return text in map(text_of, said)


def empty(value: Any) -> bool:
    """Whether there is nothing in it but null, 0 and emptiness."""
    if isinstance(value, dict):
        return all(map(empty, value.values()))
    if isinstance(value, list):
        return all(map(empty, value))
    return not value


def blank(value: Any) -> bool:
    """Whether a text or text block has no word of the model."""
    text = value.get("text", "x") if isinstance(value, dict) else value
    if text is None:
        return True
    return isinstance(text, str) and text.replace("(no content)", "").strip() == ""


def ids_in(view: View) -> int:
    """How many answers there are in a chat stream."""
    return len(set(re.findall(r'"id":\s*"(chatcmpl-[^"]+)"', view.upstream)))


NEEDED = re.compile(r"choices\[\]\.(index|message\.content)|usage\.[a-z]+_tokens$")
"""Members of a chat answer that Plexus must not leave out, whatever they say."""


_COUNT = re.compile(r'"\w*(?:okens?|Count|requests|ticks|used)\w*"\s*:\s*(\d+)')


def counted(view: View, value: Any) -> bool:
    """Whether all numbers in it are the provider's, or sums and differences of these."""
    found = _COUNT.findall(view.upstream)
    own = {int(number) for number in found[:8] + found[-24:]} | {0}
    pairs = {sign * a + b for a in own for b in own for sign in (1, -1)}
    known = own | pairs | {pair + sign * a for pair in pairs for a in own for sign in (1, -1)}
    return value != MISSING and all(number in known for number in numbers(value))


def numbers(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers(item)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


def same_error(view: View) -> bool:
    """Whether Plexus tells the provider's error: its status by cause, its words, nothing else."""
    status, told = view.x.status, view.plexus.status
    kept = told == status or (status in (401, 403) and told == 502)
    busy = (503, 529) if view.x.client == "messages" else (529, 503)
    own = kept or (status, told) == busy
    if told == 502 and b"refused the credential" in view.plexus.body:
        return status in (400, 401, 403) and _shaped(view)
    return (
        (own or told == 502)
        and _shaped(view)
        and words(view.right) <= words(view.upstream) | OF_ERRORS | words(view.x.route.name)
    )


def _shaped(view: View) -> bool:
    """Whether an error has the members of the client's dialect, or is passed through whole."""
    if view.x.passed and view.plexus.body.strip() == view.x.answer.strip():
        return True
    error = view.right.get("error", {})
    if view.x.client == "messages":
        whole = view.right.keys() >= {"type", "error", "request_id"}
        return whole and {"type", "message"} <= error.keys()
    return bool({"message", "type", "param", "code"} <= error.keys())


IN_OTHER_WORDS = (
    "json schema json_object application response format standard auto description true false",
    "strict required additionalProperties name",
)
"""What a parameter may be called in one dialect and not in another."""


def of_client(view: View, *more: str) -> bool:
    """Whether all that only Plexus has are words and numbers of the client, or ``more``."""
    known = words(view.x.body) | words(" ".join(more))
    own = set(numbers(view.x.body)) | {16}
    return words(view.d.plexus) <= known and set(numbers(view.d.plexus)) <= own


def name_in(view: View) -> bool:
    """Whether the member is the provider's own."""
    return f'"{view.d.path.rpartition(".")[2]}"' in view.upstream


SOURCES = {
    "stop": ("stop_sequences", "stop"),
    "text": ("response_format", "output_config", "output_format"),
    "max": ("max_tokens", "max_completion_tokens"),
    "response": ("response_format", "output_config", "output_format"),
    "output": ("response_format", "output_config", "output_format"),
    "service": ("service_tier",),
    "candidate": ("n",),
    "strict": ("tools",),
    "safety": ("metadata",),
    "presence": ("presence_penalty",),
    "frequency": ("frequency_penalty",),
}


def asked_for(view: View) -> bool:
    """Whether the client has sent what only Plexus passes on."""
    name = view.d.path.rpartition(".")[2]
    word = re.match(r"[a-z]+", name)
    assert word is not None
    snake = re.sub(r"([A-Z])", r"_\1", name).lower()
    names = ("logprobs",) if "ogprobs" in name else SOURCES.get(word[0], (snake,))
    return any(view.x.body.get(name) is not None for name in names)


def fuller(view: View) -> bool:
    """Whether Plexus passes on the words that the parent does, and such as the client sent."""
    if view.extra and not words(view.d.parent) and not blank(view.d.parent):
        return False
    if view.d.plexus == MISSING and isinstance(view.d.parent, str) and view.d.parent:
        return False
    added = words(view.d.plexus) - words(view.d.parent) - words(view.x.body) - NOTES
    return words(view.d.parent) <= words(view.right) and not added


NOTES = frozenset(
    ["Error", "code", "execution", "results", "fetch", "search", "inlineData", "mimeType"]
)
"""Words of Plexus's notes about what a dialect has no part for."""


def words(value: Any) -> set[str]:
    """The words in a value's texts, without JSON's marks and escapes."""
    text = json.dumps(value, ensure_ascii=False) if value not in (MISSING, None) else ""
    return set(re.findall(r"[^\W\d_]{4,}", re.sub(r"\\+[ntru\"]?", " ", text))) - {"text", "type"}


VERTEX = ("vertex-gemini", "vertex-claude", "vertex-openai")

OF_ERRORS = words(
    "error message param code status request_id upstream_error api_error server_error"
    " invalid_request_error not_found_error rate_limit_error overloaded_error overloaded"
    " rate_limit_exceeded model_not_found insufficient_quota billing_error timeout null made"
)
"""Words of Plexus's own errors."""

OF_MESSAGES = words(
    "base64 data document enabled image input schema media source tool_result tool_use input"
    " adaptive display summarized disabled messages role content ephemeral title Continue Begin"
    " user made"
)
"""Words of the Messages dialect."""

REQUESTS = (
    Class(
        "request refused",
        "ask",
        "",
        "sent on without the part that it does not know",
        "a 4xx of the client's dialect that names the member",
        "Plexus",
        "canonical.md §9: nothing is lost in silence",
        lambda v: v.right is None and 400 <= v.plexus.status < 500,
    ),
    Class(
        "exception on a request",
        "ask",
        "",
        "an exception in a transformer, a 500 for the client",
        "converted",
        "Plexus",
        "T73: tools without `function` are the client's right",
        lambda v: v.left is None and v.parent.status == 500,
    ),
    Class(
        "chat client, Anthropic provider: request",
        "ask",
        "",
        "`Anthropic` has no way into its dialect: the chat body goes to /v1/messages as it is",
        "converted",
        "Plexus",
        "mapping-pairs.md C→A",
        lambda v: (
            v.left["body"] == {**v.x.body, "model": "m"}
            and words(v.right["body"]["messages"]) <= words(v.x.body) | OF_MESSAGES
        ),
        "chat",
        routes=("Anthropic",),
    ),
    Class(
        "whose credential",
        "ask",
        r"secrets\[\]",
        "`use: [OpenAI]` forwards the client's Authorization to the provider",
        "always the provider's",
        "Plexus",
        "canonical.md §8: credentials are never the client's",
        lambda v: (v.d.parent, v.d.plexus) == ("client", "provider"),
        "chat",
        routes=("OpenAI",),
    ),
    Class(
        "Vertex address",
        "ask",
        "path",
        "v1beta1, streams without `alt=sse`: a JSON array",
        "v1 with `alt=sse`",
        "Plexus",
        "bedrock-vertex.md: the stream reader of both reads events only",
        lambda v: v.d.plexus == v.d.parent.replace("v1beta1", "v1") + "?alt=sse" * v.x.stream,
        routes=VERTEX,
    ),
    Class(
        "stream: false",
        "ask",
        r"body\.stream",
        "`stream: false` is written out",
        "left out where a request is written anew",
        "both",
        "the default of every dialect",
        lambda v: v.d.parent is False and v.extra,
    ),
    Class(
        "usage is asked for",
        "ask",
        r"body\.stream_options",
        "a stream's usage is never asked for: clients see 0",
        "`include_usage` in every chat stream, hidden from clients that did not ask",
        "Plexus",
        "T40",
        lambda v: v.gone and v.x.stream and v.d.plexus == {"include_usage": True},
        dialects=(CHAT,),
    ),
    Class(
        "deprecated functions",
        "ask",
        r"body\.(functions|function_call)",
        "`functions` as the client wrote them",
        "`tools`, where a request is written anew",
        "both",
        "openai-chat.md: deprecated",
        lambda v: v.extra,
        "chat",
        (CHAT,),
        TRANSLATING,
    ),
    Class(
        "cap of deepseek",
        "ask",
        r"body\.max_tokens",
        "capped at 8192",
        "as the client said, or the model's `max_output_tokens`",
        "Plexus",
        "vendors.md DeepSeek: newer models give more",
        lambda v: v.d.parent == 8192 < v.d.plexus,
        routes=("deepseek",),
    ),
    Class(
        "images twice encoded",
        "ask",
        r"body\.messages\[\]\.content\[\]\.(image_url\.url|source\.(data|media_type))",
        "a data URL gets a second prefix, with `undefined`; at Vertex the prefix is in the data and"
        " every image is a JPEG",
        "as it came",
        "Plexus",
        "T85",
        lambda v: "base64," in json.dumps(v.d.parent) or v.d.path.endswith("media_type"),
        routes=("vercel", "openrouter", "vertex-claude"),
    ),
    Class(
        "name of the output limit",
        "ask",
        r"body\.(max_tokens|max_completion_tokens)",
        "`max_tokens`",
        "`max_completion_tokens` unless the profile says otherwise",
        "Plexus",
        "T05, openai-chat.md: `max_tokens` is refused by reasoning models",
        lambda v: v.left["body"].get("max_tokens") == v.right["body"].get("max_completion_tokens"),
        dialects=(CHAT,),
    ),
    Class(
        "text of one part",
        "ask",
        r"body\.(messages|input)\[\]\.content",
        "a list of text parts",
        "a string where there is nothing but text",
        "both",
        "openai-chat.md: the two forms mean the same, and strict templates take the string",
        lambda v: same_text(v) and not marked(v.d.parent),
        "messages",
    ),
    Class(
        "Mistral's thinking",
        "ask",
        r"body\.messages\[\]\.content",
        "thinking inside the content goes back as it came",
        "it goes back where the profile or `capabilities.reasoning_field` says so, once a step ends"
        " pass-through; else it is reported as lost",
        "musistudio/llms",
        "T80: a chat client has it of this provider",
        lambda v: '"type": "thinking"' in json.dumps(v.d.parent),
        "chat",
        (CHAT,),
        TRANSLATING,
    ),
    Class(
        "empty content beside calls",
        "ask",
        r"body\.messages\[\]\.content",
        "an empty text, or no `content` at all, in a message of calls",
        "null",
        "both",
        "openai-chat.md: content may be null beside tool_calls",
        lambda v: v.d.parent in ("", MISSING) and v.d.plexus is None,
        dialects=(CHAT,),
    ),
    Class(
        "prompt of tooluse",
        "ask",
        r"body\.messages\[\](\.content(\[\](\.text)?)?)?",
        "a system message behind the last one, without tools too",
        "at the end of the instructions, only with tools",
        "Plexus",
        "T13, T14: templates refuse a system message at the end; deviations, `tooluse`",
        lambda v: (
            "<system-reminder>Tool mode" in json.dumps(v.left)
            and (
                "<system-reminder>Tool mode" in json.dumps(v.d.parent)
                or "Work on the task by calling" in json.dumps(v.d.plexus)
                or v.d.parent in v.right["body"]["messages"]
                or v.d.plexus in v.left["body"]["messages"]
                or (
                    v.extra
                    and words(v.d.parent) - {"cache", "control", "ephemeral"} <= words(v.right)
                )
                or (v.gone and words(v.d.plexus) <= words(v.x.body))
            )
        ),
        routes=("tooluse",),
    ),
    Class(
        "ExitTool",
        "ask",
        r"body\.tools\[\](\.function\.(description|parameters\.properties\.response\.description))?",
        "`ExitTool` in its words, beside a tool choice of the client too",
        "in its own words, and only where the client left the choice open",
        "Plexus",
        "T12: a client's own choice holds",
        lambda v: v.d.path.endswith("description") or "ExitTool" in json.dumps(v.d.parent),
        routes=("tooluse",),
    ),
    Class(
        "tool choice of tooluse",
        "ask",
        r"body\.tool_choice",
        "`required`, whatever the client chose or offers",
        "the client's own choice holds",
        "Plexus",
        "T12",
        lambda v: (
            (v.d.parent == "required" and v.x.body.get("tool_choice") != v.d.plexus)
            or v.x.body.get("tool_choice") is not None
            or "functions" in v.x.body
        ),
        routes=("tooluse",),
    ),
    Class(
        "prompt of forcereasoning",
        "ask",
        r"body\.messages\[\]\.(reasoning|reasoning_content|reasoning_details|content(\[\](\.text)?)?)",
        "its own words, before a user's string, for structured output too",
        "other words, always last, not for structured output; a chat client's own"
        " reasoning stands in the tags instead of beside the text",
        "Plexus",
        "mappings.md §7: reasoning text breaks a JSON answer; deviations, `forcereasoning`",
        lambda v: (
            "reasoning" in v.d.path
            or any(
                mark in json.dumps([v.d.parent, v.d.plexus])
                for mark in (
                    "Always think before answering",
                    "Think before you answer",
                    "<reasoning_c",
                )
            )
            or "Always think before answering" in json.dumps(v.left["body"]["messages"][-1])
        ),
        routes=("forcereasoning",),
    ),
    Class(
        "disable_reasoning",
        "ask",
        r"body\.disable_reasoning",
        "`disable_reasoning: false` in every request without reasoning",
        "silence stays silence",
        "Plexus",
        "mappings.md §3.3; vendors.md Cerebras",
        lambda v: v.d.parent is False and v.extra,
        routes=("cerebras",),
    ),
    Class(
        "server tools as functions",
        "ask",
        r"body\.tools(\[\])?(\.(functionDeclarations|codeExecution|urlContext))?",
        "a tool that Anthropic runs becomes a function without parameters, which the client never"
        " gets to run",
        "the provider's own tool where it has one, else left out and reported",
        "Plexus",
        "T73",
        lambda v: (
            server_tools(v.x.body)
            and (v.gone or nameless(v.d.parent) or not v.right["body"].get("tools"))
        ),
        "messages",
    ),
    Class(
        "tool choice without tools",
        "ask",
        r"body\.(tool_choice|toolConfig)",
        "a tool choice without a tool",
        "goes with the last tool",
        "Plexus",
        "T11",
        lambda v: v.extra and not functions(v.right["body"]),
    ),
    Class(
        "tool_choice any",
        "ask",
        r"body\.tool_choice",
        "Anthropic's word `any`, which chat does not know",
        "`required`",
        "Plexus",
        "mappings.md §5.3",
        lambda v: (v.d.parent, v.d.plexus) == ("any", "required"),
        "messages",
    ),
    Class(
        "tool choice by name at Responses",
        "ask",
        r"body\.tool_choice\.(function|name)",
        "the nested form of chat",
        "the flat form of Responses",
        "Plexus",
        "openai-responses.md §3",
        lambda v: v.d.parent == {"name": v.right["body"]["tool_choice"]["name"]} or v.gone,
        dialects=(RESPONSES,),
    ),
    Class(
        "thinking asked for",
        "ask",
        r"body\.(reasoning|reasoning_effort|reasoning\.(effort|summary|enabled|max_tokens)"
        r"|reasoning_format|thinking|thinking\.budget_tokens|enable_thinking|output_config"
        r"|generationConfig\.thinkingConfig)",
        "`reasoning {effort, enabled}` in every chat body, which only routers know; budgets up to"
        " 1024 are low, 8192 medium, more, or adaptive, high; `effort` alone, and what chat clients"
        " ask of other dialects, is lost",
        "the target's own way, by the table of budgets: up to 1024 minimal, 4096 low, 16384 medium",
        "Plexus",
        "T07, mappings.md §3.2, vendors.md",
        lambda v: bool(
            v.x.body.keys()
            & {"thinking", "output_config", "reasoning", "reasoning_effort", "reasoning_format"}
        ),
    ),
    Class(
        "thinking of another vendor",
        "ask",
        r"body\.(messages\[\]\.thinking|contents\[\]\.parts\[\](\.thoughtSignature)?)",
        "Anthropic's signed thinking goes to every provider, to Gemini as its own signature",
        "a foreign proof goes nowhere; Gemini gets its documented sentinel",
        "Plexus",
        "T22, T28, canonical.md §6",
        lambda v: (
            '"signature": "' in json.dumps(v.x.body)
            and not v.gone
            and (not v.d.path.endswith("parts[]") or v.d.parent.get("text") == "")
        ),
        "messages",
    ),
    Class(
        "sentinel for Gemini",
        "ask",
        r"body\.contents\[\]\.parts\[\]\.thoughtSignature",
        "calls without a signature, which Gemini 3 refuses",
        "the documented sentinel on the first call of a turn",
        "Plexus",
        "canonical.md §6, gemini.md §5",
        lambda v: v.d.plexus == "skip_thought_signature_validator",
        dialects=(GEMINI,),
    ),
    Class(
        "parallel calls",
        "ask",
        r"body\.parallel_tool_calls",
        "lost for chat; always false for Responses",
        "what the client said",
        "Plexus",
        "mappings.md §5.3",
        lambda v: (
            (v.gone and "disable_parallel" in json.dumps(v.x.body.get("tool_choice")))
            or (v.d.parent is False and v.dialect == RESPONSES)
        ),
    ),
    Class(
        "schema as an instruction",
        "ask",
        r"body\.messages\[\](\.content)?",
        "a schema for the answer is lost",
        "an instruction where the vendor has no schemas",
        "Plexus",
        "mappings.md §7",
        lambda v: (
            "JSON Schema" in json.dumps(v.right["body"]["messages"])
            and words(v.d.plexus) <= words(v.x.body) | words(v.right["body"]["messages"])
        ),
        routes=("deepseek",),
    ),
    Class(
        "members that say nothing",
        "ask",
        r"body\.(messages\[\]\.)?[a-z_]+",
        "as the client wrote them",
        "left out where a request is written anew",
        "both",
        "nothing is said",
        lambda v: v.extra and (not v.d.parent or (v.d.path, v.d.parent) == ("body.n", 1)),
        "chat",
        (CHAT,),
    ),
    Class(
        "parameters without a place",
        "ask",
        r"body\.(stop|stop_sequences|safety_identifier|response_format|text|output_config|service_tier|serviceTier"
        r"|top_p|temperature|max_output_tokens|max_tokens"
        r"|generationConfig\.(maxOutputTokens|temperature|topP|topK|seed|stopSequences"
        r"|responseMimeType|responseJsonSchema|candidateCount|logprobs|responseLogprobs"
        r"|presencePenalty|frequencyPenalty)|tools\[\]\.function\.strict|tools\[\]\.strict)",
        "its form has model, messages, max_tokens, temperature, tools, tool_choice and reasoning;"
        " `openai-responses` deletes two of these, `gemini` all but the last three",
        "all parameters of the dialects",
        "Plexus",
        "T01, T03, T20; mappings.md §6, §7, §10",
        lambda v: v.gone and asked_for(v) and of_client(v, *IN_OTHER_WORDS),
    ),
    Class(
        "state at Responses",
        "ask",
        r"body\.(include|store|stream_options|stream_options\.include_obfuscation)",
        "OpenAI stores every answer, reasoning does not come back",
        "`store: false`, encrypted reasoning is asked for, no obfuscation",
        "Plexus",
        "openai-responses.md §8, canonical.md §6",
        lambda v: v.gone,
        dialects=(RESPONSES,),
    ),
    Class(
        "members of chat at Responses",
        "ask",
        r"body\.(?!max_output_tokens|input|tools\[).+",
        "members of chat that Responses does not know stay in the body: 400",
        "converted, or left out and reported",
        "Plexus",
        "mapping-pairs.md C→R",
        lambda v: v.extra and v.d.path.split(".")[1] in v.x.body,
        "chat",
        (RESPONSES,),
    ),
    Class(
        "instructions",
        "ask",
        r"body\.(input\[\]|instructions)",
        "the first system message in `input`",
        "leading system messages in `instructions`",
        "both",
        "mapping-pairs.md A→R, C→R; T14",
        lambda v: (
            (v.extra and v.d.parent.get("role") in ("system", "developer"))
            or v.gone
            or v.d.plexus.startswith(v.d.parent)
        ),
        dialects=(RESPONSES,),
    ),
    Class(
        "parts for Responses",
        "ask",
        r"body\.input\[\](\.(content(\[\](\.detail)?)?|arguments|output|reasoning_content"
        r"|tool_calls))?",
        "files and call arguments are lost, text is a list of parts, results are JSON text, members"
        " of chat stay",
        "converted; text alone is a string",
        "Plexus",
        "mapping-pairs.md C→R, mappings.md §8",
        lambda v: (
            v.gone
            or same_text(v)
            or v.d.path.endswith(("reasoning_content", "tool_calls"))
            or words(v.d.parent) == words(v.d.plexus) - {"Error"}
        ),
        dialects=(RESPONSES,),
    ),
    Class(
        "system text as a user turn",
        "ask",
        r"body\.(contents\[\](\.parts\[\]\.text)?|systemInstruction|messages\[\]|system)",
        "system text is a user turn",
        "the provider's own place for it; a request of instructions alone gets a user turn"
        ' "Begin."',
        "Plexus",
        "T14",
        lambda v: (
            (
                v.gone
                and v.d.path in ("body.systemInstruction", "body.system")
                and bool(text_of(parts_of(v.d.plexus)))
                and of_client(
                    v, "parts Answer with valid JSON object nothing else prose code fence"
                )
            )
            or v.d.plexus == "Begin."
            or (v.extra and v.d.parent.get("role") == "user" and system_of(v))
        ),
        dialects=(GEMINI, MESSAGES),
    ),
    Class(
        "empty generationConfig",
        "ask",
        r"body\.generationConfig",
        "`{}`",
        "left out",
        "both",
        "nothing is said",
        lambda v: v.d.parent == {} and v.extra,
        dialects=(GEMINI,),
    ),
    Class(
        "tool mode of Gemini",
        "ask",
        r"body\.toolConfig\.functionCallingConfig\.mode",
        "lower-case words; Anthropic's `any` is lost; strict tools are not asked for",
        "AUTO, ANY, NONE; VALIDATED for strict tools",
        "Plexus",
        "gemini.md §2 Tools and toolConfig, mappings.md §5.3",
        lambda v: v.d.plexus in ("AUTO", "ANY", "NONE", "VALIDATED"),
        dialects=(GEMINI,),
    ),
    Class(
        "results for Gemini",
        "ask",
        r"body\.contents\[\]\.parts\[\]\.functionResponse\.(id|response\..+)",
        "no id; `result` with the JSON text of a list; errors look like successes",
        "the call's id; `output`, the object itself, or `error`",
        "Plexus",
        "T32, T69, mappings.md §5.5",
        lambda v: v.gone or (v.extra and v.d.path.endswith("response.result")),
        dialects=(GEMINI,),
    ),
    Class(
        "tool without parameters at Gemini",
        "ask",
        r"body\.tools\[\]\.functionDeclarations\[\]\.parametersJsonSchema",
        "an object without properties",
        "left out",
        "Plexus",
        "T72",
        lambda v: v.extra and not v.d.parent.get("properties"),
        dialects=(GEMINI,),
    ),
    Class(
        "other tools of chat",
        "ask",
        r"body\.(tools|toolConfig)",
        "`functions` and `web_search_options` are dropped",
        "converted",
        "Plexus",
        "openai-chat.md: legacy functions; mappings.md §11",
        lambda v: v.gone and ("functions" in v.x.body or "web_search_options" in v.x.body),
        "chat",
    ),
    Class(
        "media for Gemini",
        "ask",
        r"body\.contents\[\]\.parts\[\](\.(inlineData\.mimeType|fileData|file_data|mediaResolution))?",
        "files are null parts, images have no type, members are snake_case",
        "converted",
        "Plexus",
        "T16, T85, mappings.md §8",
        lambda v: (
            v.d.path.endswith(("Type", "fileData", "file_data", "mediaResolution"))
            or any(kind in json.dumps(v.d.plexus) for kind in ("inlineData", "fileData"))
        ),
        dialects=(GEMINI,),
    ),
    Class(
        "level of Gemini's thinking",
        "ask",
        r"body\.generationConfig\.thinkingConfig\.thinkingLevel",
        "only `includeThoughts`; effort and budget are lost unless the model is called gemini-3",
        "the level",
        "Plexus",
        "mappings.md §3.3",
        lambda v: v.gone,
        dialects=(GEMINI,),
    ),
    Class(
        "sampling at a Claude without profile",
        "ask",
        r"body\.(temperature|top_p|top_k)",
        "sent to every model",
        "left out and reported, unless the model is known to take it",
        "Plexus",
        "T02: the newest models refuse it",
        lambda v: v.extra and v.d.path.partition(".")[2] in v.x.body,
        "chat",
        routes=("vertex-claude",),
    ),
    Class(
        "arguments that are missing",
        "ask",
        r"body\.messages\[\]\.tool_calls\[\]\.function\.arguments",
        "as the client left them out",
        "an empty object, where a request is written anew",
        "Plexus",
        "T58",
        lambda v: v.gone and v.d.plexus == "{}",
        "chat",
        (CHAT,),
    ),
    Class(
        "parts of a turn",
        "ask",
        r"body\.(contents\[\]\.parts\[\](\.text)?|messages\[\]\.content(\[\])?|contents\[\])",
        "texts of a turn are one, empty texts stay; server tool calls, documents and whatever else"
        " it does not know is dropped; tool results are JSON text",
        "part by part, in order; server tool calls as notes; text stays text",
        "Plexus",
        "T21, T32, T57, mappings.md §5.5, §8, §11",
        lambda v: fuller(v),
    ),
    Class(
        "reasoning for vendors",
        "ask",
        r"body\.messages\[\]\.(reasoning_content|reasoning|reasoning_details)",
        "reasoning never goes back",
        "as the profile says: `reasoning_details` to routers, for DeepSeek in every turn with"
        " calls, be it empty",
        "Plexus",
        "T80, vendors.md",
        lambda v: v.gone,
        routes=("deepseek", "openrouter", "vercel"),
    ),
    Class(
        "Claude on Vertex: request",
        "ask",
        r"body\.(max_tokens|messages\[\](\.content(\[\](\.cache_control)?)?)?"
        r"|tool_choice(\..+)?|tools(\[\](\.cache_control)?)?)",
        "calls and results are lost, the system text is a user turn, the tool choice a bare string,"
        " max_tokens 1000, cache markers are gone",
        "the Messages dialect",
        "Plexus",
        "T03, T14, T73, bedrock-vertex.md",
        lambda v: (
            v.d.parent == 1000
            or (v.d.path.startswith("body.tool_choice") and not isinstance(v.d.parent, dict))
            or v.d.path.startswith("body.tools")
            or v.gone
            or blank(v.d.parent)
            or words(v.d.parent) <= words(v.right)
        ),
        routes=("vertex-claude",),
    ),
    Class(
        "cache markers of chat clients",
        "ask",
        r"body\.(messages\[\](\.content\[\]|\.tool_calls\[\])?|tools\[\])\.cache_control",
        "`openrouter` takes them out of all but Claude's, `groq` and `cleancache` leave those of"
        " tools, `cerebras` and all others leave them",
        "`openrouter` leaves them, the other vendors and a request that is written anew have none",
        "Plexus",
        "vendors.md; deviations, `cleancache`, `groq`, `cerebras`",
        lambda v: (
            (v.gone and v.x.route.name == "openrouter")
            or (v.extra and v.x.route.name != "openrouter")
        ),
        "chat",
    ),
    Class(
        "output limit by its newer name",
        "ask",
        r"body\.max_completion_tokens",
        "`maxtoken` and `sampling` know `max_tokens` only",
        "capped whatever its name",
        "Plexus",
        "T05",
        lambda v: v.d.parent > v.d.plexus,
        "chat",
        routes=("maxtoken", "sampling"),
    ),
    Class(
        "cache markers at chat providers",
        "ask",
        r"body\.messages\[\]\.(content|cache_control|content\[\]\.cache_control)",
        "`cache_control` is sent to every chat provider",
        "only to those whose profile takes it",
        "Plexus",
        "mappings.md §9: an unknown member for OpenAI, a 400 at Groq and Cerebras",
        lambda v: (
            marked({"cache_control": v.d.parent} if v.extra else v.d.parent)
            and (v.extra or same_text(v))
        ),
        "messages",
        (CHAT,),
    ),
)

ANSWERS: tuple[Class, ...] = (
    Class(
        "errors of providers",
        "answer",
        "",
        "one shape for all clients, the provider's body and a stack trace inside the message",
        "the client's dialect, the provider's own words, status by cause",
        "Plexus",
        "errors.md §3; T92 for a refused credential, T93",
        lambda v: (
            v.x.status >= 400
            and v.left.get("error", {}).get("code") == "provider_response_error"
            and "    at " in v.left["error"]["message"]
            and same_error(v)
        ),
    ),
    Class(
        "chat client, Anthropic provider: answer",
        "answer",
        "",
        "the provider's Messages answer as it came",
        "converted",
        "Plexus",
        "mapping-pairs.md C→A",
        lambda v: (
            (
                v.parent.body.strip() == v.x.answer.strip()
                or (
                    v.x.kind == "application/json"
                    and json.loads(v.parent.body) == json.loads(v.x.answer)
                )
            )
            and (
                "error" in v.right
                or (
                    v.right.keys() >= {"id", "object", "model", "choices", "usage"}
                    and counted(v, v.right["usage"])
                    and json.dumps(v.right["model"]) in v.upstream
                )
            )
        ),
        "chat",
        routes=("Anthropic",),
    ),
    Class(
        "exception on an answer",
        "answer",
        "",
        "an exception in a transformer, a 500 with a stack trace",
        "converted",
        "Plexus",
        "T82, T56: providers do send these",
        lambda v: v.parent.status == 500 and v.x.status == 200 and v.plexus.status < 500,
    ),
    Class(
        "empty members",
        "answer",
        r".+",
        "members that say null, 0 or nothing are there or missing as the other side had them",
        "as the client's dialect has them: required ones are there",
        "both",
        "nothing is said; the SDKs want `refusal`, `stop_details`, counts",
        lambda v: (
            (v.gone and empty(v.d.plexus))
            or (
                v.extra
                and empty(v.d.parent)
                and v.x.client == "chat"
                and not NEEDED.search(v.d.path)
            )
            or (not v.gone and not v.extra and empty([v.d.parent, v.d.plexus]))
        ),
    ),
    Class(
        "id of encrypted reasoning",
        "answer",
        r"choices\[\]\.message\.reasoning_details\[\]\.id",
        "as it came",
        "lost where it comes behind readable entries without one and a step ends pass-through",
        "musistudio/llms",
        "canonical.md §6: what proves goes back unchanged",
        lambda v: v.extra,
        "chat",
        (CHAT,),
        TRANSLATING,
    ),
    Class(
        "id of the answer",
        "answer",
        "id",
        "the provider's id in JSON, an invented one in streams",
        "one of the client's dialect, unless the provider speaks it",
        "both",
        "mappings.md §15",
        lambda v: v.d.plexus == "<made>" or json.dumps(v.d.plexus) in v.upstream,
    ),
    Class(
        "model of the answer",
        "answer",
        "model",
        "in streams empty, `unknown`, or the name of a model of its own",
        "what the provider reported",
        "Plexus",
        "decision 6",
        lambda v: v.d.parent in ("", "unknown", "gpt-5-codex-", MISSING),
    ),
    Class(
        "error inside an answer",
        "answer",
        r"(status|error(\..+)?|request_id|type|role|content|faults(\[\])?|done|stop_reason|stop_sequence"
        r"|usage|choices|object)",
        "an error in a stream is wrapped once more under a wrong name and followed by a plain end;"
        " `response.failed` is an empty success",
        "the dialect's error event, and nothing behind it; before content a status",
        "Plexus",
        "T46, T47, T50, errors.md §6",
        lambda v: '"error"' in v.upstream and ("error" in v.right),
    ),
    Class(
        "usage that nobody asked for",
        "answer",
        "usage",
        "a provider's usage goes to a chat client that did not ask",
        "hidden where a stream is written anew",
        "both",
        "T40",
        lambda v: v.extra and v.x.stream and "stream_options" not in v.x.body,
        "chat",
    ),
    Class(
        "legacy functions",
        "answer",
        r"choices\[\]\.message\.(function_call|tool_calls)",
        "`function_call` as it came",
        "a call like any other, where an answer is written anew",
        "both",
        "openai-chat.md: deprecated",
        lambda v: '"function_call"' in v.upstream,
        "chat",
    ),
    Class(
        "several choices",
        "answer",
        r"(content\[\]\.text|choices\[\]\.message\.content)",
        "texts of several choices run into one",
        "the first, for a dialect that has one",
        "Plexus",
        "mappings.md §10",
        lambda v: '"index": 1' in v.upstream or '"index":1' in v.upstream,
    ),
    Class(
        "end of a stream",
        "answer",
        "done",
        "streams of Gemini and Responses end without `[DONE]`; one without a blank is lost",
        "`[DONE]`",
        "Plexus",
        "openai-chat.md §5; T47",
        lambda v: (v.d.parent, v.d.plexus) == (False, True),
        "chat",
    ),
    Class(
        "index of the choice",
        "answer",
        r"faults\[\]",
        "`choices[0].index` goes up whenever the kind of content changes",
        "0",
        "Plexus",
        "openai-chat.md §5: a client sees several answers",
        lambda v: v.d.parent == "choices of one answer",
        "chat",
    ),
    Class(
        "lines that are no JSON",
        "answer",
        r"faults\[\]",
        "a line that it cannot read goes to the client",
        "read as the standard says, or an error",
        "Plexus",
        "streaming.md §1",
        lambda v: v.d.parent == "no JSON",
        "chat",
    ),
    Class(
        "grammar of Messages",
        "answer",
        r"faults\[\]",
        "text on the index of a tool block, two open blocks, deltas that are no text",
        "one block at a time",
        "Plexus",
        "T41, T62, streaming.md §6",
        lambda v: v.extra,
        "messages",
    ),
    Class(
        "finish reasons",
        "answer",
        r"(choices\[\]\.(native_)?finish_reason|stop_reason|stop_details)",
        "lower-cased or lost; calls end in `stop`; a refusal and a blocked prompt are a plain end",
        "the table of thirteen",
        "Plexus",
        "T45, T64, T81, T82, mappings.md §13",
        lambda v: (
            v.d.plexus
            in (
                "stop",
                "tool_calls",
                "length",
                "content_filter",
                "tool_use",
                "max_tokens",
                "refusal",
            )
            or v.d.path.endswith(("native_finish_reason", "stop_details"))
        ),
    ),
    Class(
        "two answers in one stream",
        "answer",
        r"(content\[\](\.input)?|usage\.(input|output)_tokens|choices\[\]\.message\.tool_calls\[\]"
        r"(\.index|\.function\.arguments)?)",
        "nothing behind the first finish reason, or both answers' calls run into one",
        "each call once, the last usage",
        "Plexus",
        "T59",
        lambda v: v.upstream.count("data: [DONE]") > 1 or ids_in(v) > 1,
    ),
    Class(
        "usage of a stream is lost",
        "answer",
        r"usage(\..+)?",
        "0, or no usage, where the network read that brought the finish reason had it too, and"
        " always from Responses",
        "as the provider gave it",
        "Plexus",
        "T36, T39, T40",
        lambda v: v.x.stream and v.d.parent in (0, MISSING) and counted(v, v.d.plexus),
    ),
    Class(
        "a tier of its own",
        "answer",
        "service_tier",
        "as the provider says it",
        "only tiers that the dialect knows, in the first chunk",
        "both",
        "mappings.md §10: unknown is left out",
        lambda v: v.extra and v.dialect == CHAT,
        "chat",
    ),
    Class(
        "usage in detail",
        "answer",
        r"(service_tier|usage\.(service_tier|cache_creation_input_tokens|cache_read_input_tokens"
        r"|cache_creation|inference_geo|server_tool_use|(input|output|prompt|completion)_tokens_details"
        r"(\..+)?))",
        "three counters; reasoning under the name of another dialect; no tier",
        "caches, reasoning, modalities, server tools, tier",
        "Plexus",
        "mappings.md §10, §14",
        lambda v: (
            ((v.gone or v.d.parent == 0) and counted(v, v.d.plexus))
            or (v.extra and v.d.path == "usage.output_tokens_details" and v.x.client == "chat")
        ),
    ),
    Class(
        "what Gemini counts",
        "answer",
        r"usage\.(output_tokens|completion_tokens|input_tokens|prompt_tokens|total_tokens)",
        "thoughts are left out; the first event's figures instead of the last's",
        "candidates and thoughts; the last figure holds",
        "Plexus",
        "T37, T36",
        lambda v: v.d.parent < v.d.plexus and counted(v, v.d.plexus),
        dialects=(GEMINI,),
    ),
    Class(
        "caches in the prompt's count",
        "answer",
        r"usage\.(prompt_tokens|input_tokens|total_tokens|prompt_tokens_details\.cache_write_tokens)",
        "Claude's count without its caches for chat clients; cache writes not taken out for"
        " Anthropic clients",
        "inclusive totals in between",
        "Plexus",
        "T35",
        lambda v: "cache" in v.upstream and isinstance(v.d.plexus, int) and counted(v, v.d.plexus),
    ),
    Class(
        "no usage",
        "answer",
        r"usage\.(input|output)_tokens",
        "0 where the provider gives no usage",
        "an estimate, marked as one in the log",
        "Plexus",
        "mappings.md §14",
        lambda v: v.d.parent == 0 and '"usage"' not in v.upstream,
        "messages",
    ),
    Class(
        "invented fingerprint",
        "answer",
        "system_fingerprint",
        "`fp_a49d71b8a1`, whoever answered",
        "none",
        "Plexus",
        "a provider's word is never invented",
        lambda v: v.d.parent == "fp_a49d71b8a1" and v.extra,
        "chat",
    ),
    Class(
        "xAI's count",
        "answer",
        r"usage\.(completion_tokens|output_tokens)",
        "without reasoning, as xAI sends it",
        "with it, so that the total is the sum",
        "Plexus",
        "T38",
        lambda v: "reasoning_tokens" in v.upstream and "grok" in v.upstream,
    ),
    Class(
        "counters of a vendor",
        "answer",
        r"(usage\.(?!(?:prompt|completion|total)_tokens$)[a-z_]+|usage_breakdown|obfuscation|p|prompt_filter_results|time_info|provider|x_groq"
        r"(\..+)?|choices\[\]\.(delta|message\.(provider_metadata|channel|name|tool_calls\[\]\.index)))",
        "members outside the dialect stay; of several the last, since chunks are read and written",
        "pass-through keeps them all; a translated answer has those of the dialect, cache hits in"
        " `cached_tokens`",
        "both",
        "T63; docs/losses.md",
        lambda v: (
            v.x.client == "chat" and v.dialect == CHAT and (name_in(v) or "x_groq" in v.d.path)
        ),
    ),
    Class(
        "fragments of reasoning_details",
        "answer",
        r"choices\[\]\.message\.reasoning_details(\[\](\.text)?)?",
        "as many entries as there were fragments",
        "one entry for each piece of thinking, also where the provider had none",
        "both",
        "canonical.md §6, T66",
        lambda v: v.dialect == CHAT,
        "chat",
    ),
    Class(
        "thinking for chat clients",
        "answer",
        r"(thinking|choices\[\]\.message\.(thinking|reasoning_content|reasoning|reasoning_details"
        r"|extra_content|tool_calls\[\]\.extra_content))",
        "`thinking`, in the message or beside the choices, which no client reads; doubled, signed"
        " with a time stamp; `reasoning_content` is emptied, signatures of Gemini are lost",
        "`reasoning_content`, `reasoning_details`, Google's signature beside them",
        "Plexus",
        "canonical.md §6, T27, T61; a signature is never invented",
        lambda v: (
            v.gone
            or v.d.path.endswith("thinking")
            or not v.d.parent
            or v.d.path.endswith("extra_content")
            or (v.extra and v.d.path.endswith("reasoning"))
        ),
        "chat",
    ),
    Class(
        "thinking for Anthropic clients",
        "answer",
        r"content\[\](\.(signature|thinking))?",
        "lost from chat providers and in JSON; behind text and calls; `(no content)`; a time stamp"
        " or another vendor's bytes as signature",
        "where it came, with the gateway's envelope as signature; encrypted reasoning as redacted",
        "Plexus",
        "T21, T22, canonical.md §6",
        lambda v: (
            v.d.path != "content[]"
            or any(
                isinstance(side, dict) and side.get("type") in ("thinking", "redacted_thinking")
                for side in (v.d.parent, v.d.plexus)
            )
        ),
        "messages",
    ),
    Class(
        "order of the blocks",
        "answer",
        r"content\[\]",
        "thinking stands behind calls, so they change places",
        "the order they came in",
        "Plexus",
        "T21",
        lambda v: (
            v.d.parent in v.right.get("content", ()) or v.d.plexus in v.left.get("content", ())
        ),
        "messages",
    ),
    Class(
        "text behind the first chunk",
        "answer",
        r"content\[\]\.text",
        "a chunk with usage is taken for the last one",
        "all of it",
        "Plexus",
        "T36: some vendors count in every chunk",
        lambda v: str(v.d.plexus).startswith(str(v.d.parent)),
        "messages",
        routes=("openrouter", "vercel"),
    ),
    Class(
        "filler and white space",
        "answer",
        r"(content\[\]|content\[\]\.text|choices\[\]\.message\.content)",
        "`(no content)`, empty texts and texts of blanks",
        "no text where there is none",
        "Plexus",
        "T57",
        lambda v: blank(v.d.parent) and (v.extra or blank(v.d.plexus)),
    ),
    Class(
        "citations",
        "answer",
        r"(choices\[\]\.message\.annotations(\[\](\..+)?)?|content\[\](\.(citations|deltas|text))?)",
        "for Anthropic clients results of a search that has no query, also when there are none;"
        " for chat clients those of the last event, counted in bytes",
        "citations on the text they belong to, counted in characters",
        "Plexus",
        "mappings.md §15",
        lambda v: any(
            mark in v.upstream for mark in ("annotations", "groundingMetadata", "citations")
        ),
    ),
    Class(
        "content that is no text",
        "answer",
        r"(content\[\](\.text)?|choices\[\]\.message\.content)",
        "lists of parts and objects go on as they are; refusals and deprecated calls are lost",
        "text",
        "Plexus",
        "T62",
        lambda v: (
            isinstance(v.d.parent, (dict, list))
            or "text_delta without text" in v.left.get("faults", ())
            or (v.gone and ('"refusal": "' in v.upstream or '"refusal":"' in v.upstream))
            or (v.gone and '"function_call"' in v.upstream)
        ),
    ),
    Class(
        "empty arguments",
        "answer",
        r"choices\[\]\.message\.tool_calls\[\]\.function\.arguments",
        "an empty text, as the provider has it",
        "an empty object, where an answer is written anew",
        "Plexus",
        "T58: clients parse it",
        lambda v: (v.d.parent, v.d.plexus) == ("", "{}"),
        "chat",
        (CHAT,),
    ),
    Class(
        "name and id of a call",
        "answer",
        r"(choices\[\]\.message\.tool_calls\[\]\.(id|ids|function\.name)|content\[\]\.id)",
        "`groq` makes a new id for every fragment, `enhancetool` and others repeat the name",
        "once, as the provider gave them; an id that Anthropic does not take is hashed",
        "Plexus",
        "T31, T43",
        lambda v: (
            v.d.path.endswith("ids")
            or v.d.plexus == "<made>"
            or (isinstance(v.d.plexus, str) and json.dumps(v.d.plexus) in v.upstream)
        ),
    ),
    Class(
        "text without tags",
        "answer",
        r"(choices(\[\](\.message\.(content|tool_calls))?)?|content\[\](\.text)?|model|role|type"
        r"|object|service_tier|system_fingerprint|usage|stop_reason|stop_sequence)",
        "text and calls before a tag, or all when there is none, are thrown away; tags stay in"
        " JSON answers",
        "text stays, tagged text is thinking",
        "Plexus",
        "T76; deviations, `extrathinktag`, `forcereasoning`",
        lambda v: (
            v.gone
            or not v.d.parent
            or "think" in json.dumps(v.d.parent)
            or v.d.path.endswith("content")
        ),
        routes=("extrathinktag", "forcereasoning"),
    ),
    Class(
        "kind of the chunks",
        "answer",
        r"(object|role|type|choices(\[\]\.message\.role)?|choices\[\])",
        "a chunk that its step cannot read is dropped, an answer without content has no event",
        "every answer begins and ends",
        "Plexus",
        "T56, T82",
        lambda v: v.gone,
    ),
    Class(
        "calls of Gemini",
        "answer",
        r"(choices\[\]\.message\.(tool_calls|tool_calls\[\]|tool_calls\[\]\.function\.arguments"
        r"|content)|content\[\](\.input\..+)?)",
        "a second call gets lost, a call in pieces becomes one call for each piece, the first text"
        " of a stream is lost",
        "each call once, whole; all text",
        "Plexus",
        "T42, T58",
        lambda v: (
            v.gone
            or "tool_" in json.dumps(v.d.parent)
            or '"{}"' in json.dumps(v.d.parent)
            or v.d.plexus.endswith(v.d.parent)
        ),
        dialects=(GEMINI,),
    ),
    Class(
        "calls of Responses",
        "answer",
        r"(choices\[\]\.(logprobs|message\.(refusal|content|tool_calls(\[\](\.index"
        r"|\.function\.arguments)?)?))|content\[\](\.input(\..+)?)?)",
        "parallel calls run into one; custom calls, logprobs, refusals and arguments that come"
        " whole at the end are lost",
        "converted",
        "Plexus",
        "T42, T58, mapping-pairs.md C→R",
        lambda v: not v.d.parent or v.gone or "}{" in str(v.d.parent) or v.d.plexus == 1,
        dialects=(RESPONSES,),
    ),
    Class(
        "Claude on Vertex: answer",
        "answer",
        r"(content\[\](\..+)?|choices\[\]\.message\..+)",
        "the text of the first block",
        "the Messages dialect",
        "Plexus",
        "mapping-pairs.md C→A",
        lambda v: v.gone or not v.d.parent or v.d.path.endswith("index"),
        routes=("vertex-claude",),
    ),
)

CLASSES: tuple[Class, ...] = (*REQUESTS, *ANSWERS)
