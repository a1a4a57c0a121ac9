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

from tests.oracle.exchanges import CHAT, GEMINI, MESSAGES, RESPONSES, Exchange
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
            and self.on(view)
        )


def text_of(value: Any) -> str | None:
    """The text of a string or of text parts; None when there is anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not all("text" in part for part in value):
        return None
    return "".join(part["text"] for part in value)


def same_text(view: View) -> bool:
    return text_of(view.d.parent) == text_of(view.d.plexus) is not None


def marked(value: Any) -> bool:
    """Whether there is a cache marker in it."""
    return '"cache_control": {' in json.dumps(value)


def wants_tools(view: View) -> bool:
    return bool(view.x.body.get("tools"))


def dropped(view: View) -> bool:
    return view.gone


def only_parent(view: View) -> bool:
    return view.extra


VERTEX = ("vertex-gemini", "vertex-claude", "vertex-openai")
TRANSLATING = ("tooluse", "enhancetool", "reasoning", "forcereasoning", "extrathinktag")
TRANSLATING += ("maxtoken", "sampling", "cleancache")
"""Routes whose step ends pass-through."""

GROQ_LIKE = ("deepseek", "openrouter", "vercel", "groq", "reasoning", "forcereasoning")

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
        lambda v: v.left["body"] == {**v.x.body, "model": "m"},
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
        "name of the output limit",
        "ask",
        r"body\.(max_tokens|max_completion_tokens)",
        "`max_tokens`",
        "`max_completion_tokens` unless the profile says otherwise",
        "Plexus",
        "T05, openai-chat.md: `max_tokens` is refused by reasoning models",
        lambda v: v.left["body"].get("max_tokens")
        == v.right["body"].get("max_completion_tokens"),
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
        "cache markers at chat providers",
        "ask",
        r"body\.messages\[\]\.(content|cache_control|content\[\]\.cache_control)",
        "`cache_control` is sent to every chat provider",
        "only to those whose profile takes it",
        "Plexus",
        "mappings.md §9: an unknown member for OpenAI, a 400 at Groq and Cerebras",
        lambda v: marked({"cache_control": v.d.parent} if v.extra else v.d.parent)
        and (v.extra or same_text(v)),
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
        lambda v: v.x.status >= 400
        and v.left.get("error", {}).get("code") == "provider_response_error"
        and v.plexus.status >= 400,
    ),
    Class(
        "chat client, Anthropic provider: answer",
        "answer",
        "",
        "the provider's Messages answer as it came",
        "converted",
        "Plexus",
        "mapping-pairs.md C→A",
        lambda v: v.parent.body.strip() == v.x.answer.strip()
        or (v.x.kind == "application/json" and json.loads(v.parent.body) == json.loads(v.x.answer)),
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
        lambda v: v.parent.status == 500 and v.x.status == 200 and v.plexus.status == 200,
    ),
)

CLASSES: tuple[Class, ...] = (*REQUESTS, *ANSWERS)
