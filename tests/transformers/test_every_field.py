"""Every field of the canonical request, at every provider dialect, is what the tables say.

A walk over the types proves that the tables are about all of their fields; then each field is set
for a client of another dialect, and what becomes of it is held against its rows.  A field that
vanishes without a row fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from plexus.compiler import catalog
from plexus.transformers import fields
from plexus.transformers.base import WireRequest
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.unified import content, request, response
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    Citation,
    CompactionContent,
    Content,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    SearchResultContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
    VideoContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    ClientBuiltinTool,
    CustomTool,
    FunctionTool,
    PromptCache,
    Reasoning,
    ResponseFormat,
    ServerTool,
    Source,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedMessage,
)
from tools.matrix import ANSWER_ENDS, ANSWERED, CLIENTS, ENDS, MEANT, outcome

NO_CONTENT = {"Source", "StreamOptions", "Part", "Origin", "UnifiedUsage"}
"""Types that say nothing to a provider, or of which others inherit."""


def walk(*modules: ModuleType) -> set[str]:
    return {
        f"{name}.{field.name}"
        for module in modules
        for name, kind in vars(module).items()
        if isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and kind.__module__ == module.__name__
        and name not in NO_CONTENT
        for field in msgspec.structs.fields(kind)
    }


def test_every_field_of_a_request_is_told_of() -> None:
    assert not MEANT.keys() & ENDS.keys()
    assert walk(request, content) == MEANT.keys() | ENDS.keys()


def test_every_field_of_an_answer_is_told_of() -> None:
    assert not ANSWERED.keys() & ANSWER_ENDS.keys()
    told = ANSWERED.keys() | ANSWER_ENDS.keys()
    assert walk(response) <= told
    assert told - walk(response) <= walk(content)


def test_every_row_is_about_a_field() -> None:
    assert {row for rows in MEANT.values() for row in rows} == fields.REQUEST_FIELDS
    assert {row for rows in ANSWERED.values() for row in rows} == fields.RESPONSE_FIELDS


@pytest.mark.parametrize("client", CLIENTS.values())
@pytest.mark.parametrize("provider", catalog.dialects())
def test_every_way_has_an_outcome(client: str, provider: str) -> None:
    """None only where the speaking side cannot say it."""
    assert all(outcome(rows, client, provider) for rows in MEANT.values() if not rows)
    told = [outcome(rows, client, provider) for rows in (*MEANT.values(), *ANSWERED.values())]
    assert {"kept", "lost"} <= set(told)


# What each field is tried with: the request without it, and the request with it.

RAW = Raw(b'{"a":1}')
EXT = {"other": {"x": RAW}}
HI = UnifiedMessage(role="user", content=(TextContent(text="hi"),))
SCHEMA = Raw(
    b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],'
    b'"additionalProperties":false}'
)
F = FunctionTool(name="f", parameters=SCHEMA)
G = FunctionTool(name="g", parameters=SCHEMA)
PNG = MediaSource("base64", data="iVBORw0KGgo=", media_type="image/png")
PDF = MediaSource("base64", data="JVBERi0=", media_type="application/pdf")
WAV = MediaSource("base64", data="UklGRgAA", media_type="audio/wav")
MP4 = MediaSource("base64", data="AAAA", media_type="video/mp4")
MARK = CacheControl()
FOREIGN = Proof("sig", "signature", Origin("elsewhere"))

Tried = tuple[UnifiedChatRequest, UnifiedChatRequest]


def asked(*messages: UnifiedMessage, **given: Any) -> UnifiedChatRequest:
    source = Source(dialect="other")
    return UnifiedChatRequest(model="m", messages=messages or (HI,), source=source, **given)


def user(*parts: Content) -> UnifiedChatRequest:
    return asked(UnifiedMessage(role="user", content=(TextContent(text="hi"), *parts)))


def answer(*parts: Content, **message: Any) -> UnifiedChatRequest:
    said = UnifiedMessage(role="assistant", content=(*parts, TextContent(text="a")), **message)
    return asked(HI, said, HI)


def call(part: ToolCallContent) -> UnifiedChatRequest:
    result = ToolResultContent(tool_call_id=part.id, content=(TextContent(text="r"),))
    return turns(part, result)


def turns(part: ToolCallContent, result: ToolResultContent) -> UnifiedChatRequest:
    said = UnifiedMessage(role="assistant", content=(part,))
    return asked(HI, said, UnifiedMessage(role="tool", content=(result,)), tools=(F,))


def result(part: ToolResultContent) -> UnifiedChatRequest:
    return turns(ToolCallContent(id="call_1", name="f", arguments="{}"), part)


def parts(
    wrap: Callable[[Any], UnifiedChatRequest], plain: Any, **given: Any
) -> Iterator[tuple[str, Tried]]:
    """A part without and with each of these fields."""
    for field, value in given.items():
        changed = replace(plain, **{field: value})
        yield f"{type(plain).__name__}.{field}", (wrap(plain), wrap(changed))


def whole(wrap: Callable[..., UnifiedChatRequest], part: Any, *names: str) -> dict[str, Tried]:
    """A part, or none: fields that it cannot be without."""
    return {f"{type(part).__name__}.{name}": (wrap(), wrap(part)) for name in names}


def simple() -> Iterator[tuple[str, Tried]]:
    values: dict[str, Any] = {
        "max_tool_calls": 3,
        "verbosity": "low",
        "max_tokens": 777,
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 5,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.5,
        "seed": 5,
        "n": 2,
        "stop": ("x",),
        "logit_bias": RAW,
        "logprobs": True,
        "modalities": ("text", "audio"),
        "audio": RAW,
        "prediction": RAW,
        "moderation": RAW,
        "web_search": RAW,
        "user": "u",
        "safety_identifier": "s",
        "metadata": {"a": "b"},
        "service_tier": "flex",
        "speed": "fast",
        "region": "eu",
        "store": True,
        "safety_settings": Raw(b"[]"),
        "server_state": {"x": RAW},
        "context_management": RAW,
        "truncation": "auto",
        "include": ("x",),
        "mcp_servers": Raw(b"[]"),
        "container": RAW,
        "extra": EXT,
        "reasoning": Reasoning(effort="high"),
        "response_format": ResponseFormat(type="json_schema", name="n", schema=SCHEMA),
        "prompt_cache": PromptCache(mode="explicit"),
    }
    for name, value in values.items():
        yield f"UnifiedChatRequest.{name}", (asked(), asked(**{name: value}))
    yield (
        "UnifiedChatRequest.parallel_tool_calls",
        (asked(tools=(F,)), asked(tools=(F,), parallel_tool_calls=False)),
    )
    yield "UnifiedChatRequest.top_logprobs", (asked(), asked(logprobs=True, top_logprobs=3))


def inner() -> Iterator[tuple[str, Tried]]:
    """Fields of what a request has one of."""
    plain = asked()
    for name, value in {"effort": "low", "max_tokens": 5000, "enabled": True}.items():
        yield f"Reasoning.{name}", (plain, asked(reasoning=Reasoning(**{name: value})))
    yield "Reasoning.mode", (plain, asked(reasoning=Reasoning(mode="off", enabled=False)))
    yield "Reasoning.ext", (plain, asked(reasoning=Reasoning(ext=EXT)))
    high = asked(reasoning=Reasoning(effort="high"))
    yield "Reasoning.summary", (high, asked(reasoning=Reasoning(effort="high", summary="concise")))
    form = ResponseFormat(type="json_schema", name="n", schema=SCHEMA)
    formed = asked(response_format=form)
    yield "ResponseFormat.type", (plain, asked(response_format=ResponseFormat(type="json_object")))
    yield "ResponseFormat.schema", (plain, formed)
    for name in ("name", "description"):
        yield (
            f"ResponseFormat.{name}",
            (formed, asked(response_format=replace(form, **{name: "other"}))),
        )
    caches = {"key": "k", "mode": "explicit", "ttl": "12h", "retention": "24h", "auto": MARK}
    for name, cached in caches.items():
        yield f"PromptCache.{name}", (plain, asked(prompt_cache=PromptCache(**{name: cached})))
    both = asked(tools=(F, G))
    for field, choice in {
        "mode": ToolChoice(mode="none"),
        "name": ToolChoice(mode="function", name="f"),
        "names": ToolChoice(mode="allowed", names=("f",)),
        "forced": ToolChoice(mode="allowed", names=("f",), forced=True),
    }.items():
        yield f"ToolChoice.{field}", (both, asked(tools=(F, G), tool_choice=choice))


def tools() -> Iterator[tuple[str, Tried]]:
    plain = FunctionTool(name="f")
    given: dict[str, Any] = {
        "name": "f.g",
        "description": "d",
        "parameters": SCHEMA,
        "strict": True,
        "cache_control": MARK,
        "ext": EXT,
    }
    for name, value in given.items():
        changed = replace(F if name == "strict" else plain, **{name: value})
        before = F if name == "strict" else plain
        yield f"FunctionTool.{name}", (asked(tools=(before,)), asked(tools=(changed,)))
    free = CustomTool(name="f")
    yield "CustomTool.name", (asked(), asked(tools=(free,)))
    for name, value in {"description": "d", "format": RAW, "ext": EXT}.items():
        yield (
            f"CustomTool.{name}",
            (asked(tools=(free,)), asked(tools=(replace(free, **{name: value}),))),
        )
    for own in (
        ServerTool(kind="file_search", dialect="other", raw=RAW, name="x"),
        ClientBuiltinTool(kind="bash", dialect="other", raw=RAW, name="x"),
    ):
        for name in ("kind", "name", "raw"):
            yield f"{type(own).__name__}.{name}", (asked(), asked(tools=(own,)))


def messages() -> Iterator[tuple[str, Tried]]:
    later = UnifiedMessage(role="system", content=HI.content)
    yield "UnifiedMessage.role", (asked(HI, HI), asked(HI, later))
    for name, value in {"name": "ann", "ext": EXT}.items():
        yield f"UnifiedMessage.{name}", (asked(), asked(replace(HI, **{name: value})))
    yield "UnifiedMessage.phase", (answer(), answer(phase="commentary"))


def media() -> Iterator[tuple[str, Tried]]:
    image, audio = ImageContent(source=PNG), AudioContent(source=WAV)
    video, document = VideoContent(source=MP4), DocumentContent(source=PDF)
    for part in (image, audio, video, document):
        yield from whole(user, part, "source").items()
        yield from parts(user, part, ext=EXT, cache_control=MARK)
        yield "CacheControl.type", (user(part), user(replace(part, cache_control=MARK)))
    yield from parts(user, image, detail="low")
    yield from parts(user, video, clip=RAW)
    yield from parts(
        user, document, title="t", context="c", filename="x.pdf", citations_enabled=True
    )
    yield from whole(user, DocumentContent(blocks=HI.content), "blocks").items()
    yield from whole(answer, AudioContent(id="audio_1", transcript="t"), "id").items()
    for kind, source in {
        "url": MediaSource("url", url="https://example.com/a.png"),
        "file_id": MediaSource("file_id", file_id="f", provider="other"),
        "media_type": MediaSource("base64", data="AA", media_type="image/tiff"),
        "kind": PNG,
        "data": PNG,
    }.items():
        yield f"MediaSource.{kind}", (user(), user(ImageContent(source=source)))


def said() -> Iterator[tuple[str, Tried]]:
    text = TextContent(text="hello")
    yield "TextContent.text", (user(), user(text))
    yield from parts(user, text, ext=EXT, cache_control=MARK)
    cited = Citation(kind="url", url="https://example.com", start=0, end=3)
    yield from parts(answer, text, citations=(cited,))
    found = SearchResultContent(source="s", title="t", blocks=HI.content)
    yield from whole(user, found, "source", "title", "blocks", "citations_enabled").items()
    yield from parts(user, found, ext=EXT, cache_control=MARK)
    for thought in (ThinkingContent(text="t"), ThinkingContent(text="t", proof=FOREIGN)):
        yield from whole(answer, thought, "text", "summary", "redacted", "proof").items()
    for part in (
        RefusalContent(text="no"),
        CompactionContent(dialect="other", raw=RAW, summary="s"),
        OpaqueContent(dialect="other", raw=RAW),
    ):
        names = {"text", "raw", "summary"} & set(part.__struct_fields__)
        yield from whole(answer, part, *sorted(names)).items()
    ran = ServerToolCallContent(
        id="s1", tool="web_search", name="web_search", dialect="other", raw=RAW
    )
    yield from whole(answer, ran, "arguments", "id", "name", "raw", "tool").items()
    gave = ServerToolResultContent(tool_call_id="s1", tool="web_search", dialect="other", raw=RAW)
    for name in ("is_error", "raw", "tool"):
        yield f"ServerToolResultContent.{name}", (answer(), answer(ran, gave))


def calls() -> Iterator[tuple[str, Tried]]:
    made = ToolCallContent(id="call_1", name="f", arguments="{}")
    yield from parts(call, made, arguments='{"a":1}', name="g", kind="custom")
    yield from parts(call, made, ext=EXT, cache_control=MARK, proof=FOREIGN)
    got = ToolResultContent(tool_call_id="call_1", content=(TextContent(text="r"),))
    yield from parts(result, got, content=(ImageContent(source=PNG),), is_error=True)
    yield from parts(result, got, ext=EXT, cache_control=MARK)


TRIED: list[tuple[str, Tried]] = [
    *simple(),
    *inner(),
    *tools(),
    *messages(),
    *media(),
    *said(),
    *calls(),
]

UNTRIED = {
    # Kept or lost together with what they are in.
    *(path for path in MEANT if path.startswith(("Citation.", "Proof."))),
    *(path for path in MEANT if path.endswith(".proof")),
    *(
        f"{kind}Content.{name}"
        for kind in ("Thinking", "ServerToolCall", "ServerToolResult")
        for name in ("ext", "cache_control")
    ),
    *(
        f"{kind}Content.{name}"
        for kind in ("Refusal", "Compaction", "Opaque")
        for name in ("ext", "cache_control")
    ),
    "CacheControl.ttl",
    # Said by the media type, too.
    "AudioContent.format",
    # Asked for by the way that thinking is wanted, or enforced where there is a schema at all.
    "Reasoning.include",
    "ResponseFormat.strict",
    "UnifiedChatRequest.tool_choice",
}

TARGETS: Mapping[str, TargetModel] = {
    name: TargetModel(
        provider="p",
        model="us.anthropic.claude-x-v1:0" if name == "bedrock-converse" else "m",
        family=catalog.dialect(name).FAMILY,
        capabilities=Capabilities(sampling="full"),
    )
    for name in catalog.dialects()
}


def test_every_field_is_tried() -> None:
    assert {path for path, _ in TRIED} | UNTRIED == MEANT.keys()


def written(asked_for: UnifiedChatRequest, provider: str) -> WireRequest | None:
    """What goes out; None where it is refused."""
    try:
        return catalog.dialect(provider).format_request(asked_for, TARGETS[provider])
    except PlexusError:
        return None


@pytest.mark.parametrize("provider", catalog.dialects())
@pytest.mark.parametrize(("path", "tried"), TRIED, ids=[path for path, _ in TRIED])
def test_what_becomes_of_a_field(path: str, tried: Tried, provider: str) -> None:
    table, rows = catalog.dialect(provider).REQUEST_LOSSES, MEANT[path]
    others = [client for client in CLIENTS.values() if client != provider]
    if not any(outcome(rows, client, provider) for client in others):
        return  # no client of another dialect can say it
    without, with_it = (written(one, provider) for one in tried)
    told = {table[row].outcome for row in rows if row in table}
    if without is None:
        return  # the whole part is refused, of which its source tells
    if with_it is None:
        assert "refused" in told, (path, told)
        return
    assert isinstance(without, WireRequest)
    assert isinstance(with_it, WireRequest)
    new = {w.loss.field for w in with_it.warnings} - {w.loss.field for w in without.warnings}
    assert new <= set(rows), (path, new)
    same = (with_it.path, with_it.body, with_it.stop) == (
        without.path,
        without.body,
        without.stop,
    )
    if same and not new:
        silent = {row for row in rows if row in table and table[row].silent}
        again = {w.loss.field for w in with_it.warnings} & set(rows)
        assert silent or again, f"{path} vanishes at {provider}"
