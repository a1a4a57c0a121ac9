"""Whole answers, both ways (gemini.md §3, mappings.md §12-§15)."""

from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.base import WireRequest
from plexus.transformers.gemini.answer import AnswerWriter, candidate
from plexus.transformers.gemini.errors import parse_stream_error, upstream_error
from plexus.transformers.gemini.finish import (
    APPROXIMATED,
    finish_word,
    format_finish,
    has_calls,
    is_refused,
    parse_finish,
)
from plexus.transformers.gemini.grounding import cite
from plexus.transformers.gemini.losses import RESPONSE_LOSSES
from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.parts import parse_parts, usual_parts
from plexus.transformers.gemini.reader import ENUM, INTEGER, OBJECT, STRING, Level, Malformed
from plexus.transformers.gemini.usage import TIERS, ReadUsage, format_usage, parse_usage
from plexus.transformers.gemini.usual import UsualAnswer, usual_answer
from plexus.transformers.ids import made_id
from plexus.transformers.jsontext import compact, custom_text
from plexus.transformers.losses import LossLog, LossWarning
from plexus.unified.content import Content, Ext, Origin, ToolCallContent
from plexus.unified.errors import PlexusError, UnifiedError
from plexus.unified.request import UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import Choice, Finish, UnifiedChatResponse

_NULL = Raw(b"null")


def origin_of(wire: WireRequest) -> Origin:
    """Who issued the signatures of an answer."""
    return Origin(wire.target.family, wire.target.provider, wire.target.model)


def client_call(part: ToolCallContent, wire: WireRequest, seed: str) -> ToolCallContent:
    """A call in the client's words: its own name, an id, custom tools undone."""
    custom = part.name in wire.custom_tools
    return replace(
        part,
        name=wire.tool_names.get(part.name, part.name),
        id=part.id or made_id(seed),
        kind="custom" if custom else "function",
        arguments=custom_text(part.arguments) if custom else part.arguments,
    )


def parse_response(body: bytes, wire: WireRequest) -> UnifiedChatResponse:
    """Raises PlexusError for an error in a 200, an empty completion, or a foreign body."""
    try:
        return _parse(body, wire)
    except Malformed as problem:
        who = wire.target.provider
        message = f"{who} sent a wrong answer: {problem}"
        raise PlexusError(upstream_error(message, who)) from None


def _parse(body: bytes, wire: WireRequest) -> UnifiedChatResponse:
    usual = usual_answer(body)
    if usual is not None and (response := _usual(usual, wire)) is not None:
        return response
    level = Level(body, "")
    who = wire.target.provider
    if is_error(level.fields.get("error")):
        raise PlexusError(parse_stream_error(body, who))
    response_id = level.take("responseId", STRING) or ""
    candidates = level.items("candidates")
    found: dict[int, Choice] = {}
    for number, raw in enumerate(candidates):
        choice = _choice(Level(raw, f"candidates[{number}]"), number, wire, response_id)
        # An index that came before is another candidate's all the same.
        index = choice.index if choice.index not in found else max(found) + 1
        found[index] = choice if index == choice.index else replace(choice, index=index)
    choices = [found[index] for index in sorted(found)]
    feedback = level.fields.get("promptFeedback")
    if not choices and (blocked := block_reason(feedback)) is not None:
        message = UnifiedMessage(role="assistant")
        choices = [Choice(message=message, finish=Finish("content_filter", raw=blocked))]
    if not any(choice.message.content or choice.finish.raw for choice in choices):
        raise PlexusError(upstream_error(f"{who} sent an empty completion", who))
    for choice in choices:
        failed = choice.finish.reason in ("malformed_tool_call", "error")
        if failed and not choice.message.content:
            # Nothing a client could use; another target may do better (traps T70).
            raise PlexusError(broken_answer(choice.finish, choice.ext, who))
    counted = parse_usage(level.take("usageMetadata", OBJECT))
    model = level.take("modelVersion", STRING) or ""
    return _response(response_id, model, tuple(choices), counted, level.rest())


def _usual(answer: UsualAnswer, wire: WireRequest) -> UnifiedChatResponse | None:
    """The response to an answer read in one look; None for one that needs another."""
    candidate = answer.candidates[0]
    parts = usual_parts(candidate.content.parts, origin_of(wire), client=False)
    fields = candidate.unnamed()
    if not parts or fields is None:
        return None
    response_id, index = answer.response_id, max(candidate.index, 0)
    done = _named(parts, wire, f"{response_id} {index}")
    word = finish_word(candidate.finish_reason)
    choice = _made_choice(index, done, word, None, fields)
    counted, rest = parse_usage(answer.usage_metadata), answer.unnamed()
    return _response(response_id, answer.model_version, (choice,), counted, rest)


def _response(
    response_id: str,
    model: str,
    choices: tuple[Choice, ...],
    counted: ReadUsage | None,
    rest: dict[str, Raw],
) -> UnifiedChatResponse:
    return UnifiedChatResponse(
        id=response_id,
        model=model,
        choices=choices,
        dialect=NAME,
        usage=counted.usage if counted is not None else None,
        service_tier=counted.service_tier if counted is not None else None,
        ext=answer_ext(rest),
    )


def is_error(raw: Raw | None) -> bool:
    """Whether an ``error`` member says anything."""
    return raw is not None and bytes(memoryview(raw)[:5]) not in (b"null", b"false", b'""', b"{}")


def block_reason(feedback: Raw | None) -> str | None:
    """Why a prompt was blocked, None when it was not (traps T82).  Raises Malformed."""
    if feedback is None or feedback == _NULL:
        return None
    reason = Level(feedback, "promptFeedback").take("blockReason", ENUM)
    unsaid = reason is None or str(reason) in ("0", "BLOCKED_REASON_UNSPECIFIED")
    return None if unsaid else str(reason)


def broken_answer(finish: Finish, ext: Ext, provider: str) -> UnifiedError:
    """The error for an answer that ended in one."""
    said = ext.get(NAME, {}).get("finishMessage")
    words = bytes(said).decode("utf-8", "replace").strip('"') if said is not None else ""
    message = f"the provider's answer ended with {finish.raw}"
    return upstream_error(f"{message}: {words}" if words else message, provider)


def answer_ext(fields: dict[str, Raw]) -> Ext:
    """What is left of an answer: feedback, times, and what is not known yet."""
    return {NAME: fields} if fields else {}


def _choice(level: Level, number: int, wire: WireRequest, response_id: str) -> Choice:
    index = level.take("index", INTEGER)
    index = number if index is None or index < 0 else index
    content = level.object("content") or Level.of({}, level.where("content"))
    parts = parse_parts(content, origin_of(wire), client=False)
    done = _named(parts, wire, f"{response_id} {index}")
    word = finish_word(level.take("finishReason", ENUM))
    logprobs = level.raw("logprobsResult")
    logprobs = None if logprobs is None else Raw(compact(logprobs))
    fields = level.rest()
    return _made_choice(index, tuple(cite(done, fields)), word, logprobs, fields)


def _named(parts: list[Content], wire: WireRequest, seed: str) -> tuple[Content, ...]:
    """The parts, calls in the client's words; ``seed`` is the candidate's."""
    return tuple(
        client_call(part, wire, f"{seed} {place}") if type(part) is ToolCallContent else part
        for place, part in enumerate(parts)
    )


def _made_choice(
    index: int,
    parts: tuple[Content, ...],
    word: str | None,
    logprobs: Raw | None,
    fields: dict[str, Raw],
) -> Choice:
    return Choice(
        index=index,
        message=UnifiedMessage(role="assistant", content=parts),
        finish=parse_finish(word, has_calls(parts)),
        logprobs=logprobs,
        ext={NAME: fields} if fields else {},
    )


def format_response(
    response: UnifiedChatResponse, request: UnifiedChatRequest
) -> tuple[bytes, tuple[LossWarning, ...]]:
    """A GenerateContentResponse.  Raises PlexusError for an answer that ended in an error."""
    log = LossLog(RESPONSE_LOSSES)
    native = response.dialect == NAME
    body: dict[str, Any] = {}
    blocked = native and "promptFeedback" in response.ext.get(NAME, {})
    if not (blocked and not response.choices[0].message.content):
        body["candidates"] = [_candidate(c, request, native, log) for c in response.choices]
    tier = response.service_tier
    if tier is not None and tier not in TIERS and not native:
        log.note("response.service_tier")
    if response.usage is not None:
        body["usageMetadata"] = format_usage(response.usage, tier)
    body["modelVersion"] = response.model
    body["responseId"] = response.id or request.source.request_id
    for dialect, fields in response.ext.items():
        if dialect == NAME:
            body.update(fields)
        elif fields:
            log.note("response.extra")
    return msgspec.json.encode(body), log.warnings


def _candidate(
    choice: Choice, request: UnifiedChatRequest, native: bool, log: LossLog
) -> dict[str, Any]:
    finish, content = choice.finish, choice.message.content
    if finish.reason == "error" and not native:
        raise PlexusError(upstream_error("the provider's answer ended in an error"))
    if finish.reason in APPROXIMATED and not native:
        log.note("response.finish")
    if finish.stop_sequence is not None:
        log.note("response.stop_sequence")
    writer = AnswerWriter(request, native, log)
    parts = [wire for part in content for wire in writer.write(part)]
    parts += writer.close()
    out = candidate(choice.index, parts)
    out["finishReason"] = format_finish(finish, native, is_refused(content))
    if choice.logprobs is not None:
        if native:
            out["logprobsResult"] = choice.logprobs
        else:
            log.note("response.logprobs")
    grounding = None if native else writer.grounding()
    if grounding is not None:
        out["groundingMetadata"] = grounding
    if native:
        out.update(choice.ext.get(NAME, {}))
    return out
