"""Whole answers, both ways (anthropic-messages.md §6, mappings.md §12-§15)."""

from collections.abc import Iterator

import msgspec
from msgspec import Raw

from plexus.transformers.anthropic_messages.calls import client_call, origin_of
from plexus.transformers.anthropic_messages.citations import cited_blocks
from plexus.transformers.anthropic_messages.content import NAME, parse_block
from plexus.transformers.anthropic_messages.errors import parse_stream_error, upstream_error
from plexus.transformers.anthropic_messages.estimate import estimate_output, estimate_prompt
from plexus.transformers.anthropic_messages.finish import (
    format_finish,
    has_calls,
    parse_finish,
    parse_refusal,
)
from plexus.transformers.anthropic_messages.losses import RESPONSE_LOSSES
from plexus.transformers.anthropic_messages.names import message_id
from plexus.transformers.anthropic_messages.plain_answer import plain_response
from plexus.transformers.anthropic_messages.reader import LIST, OBJECT, STRING, Level, Malformed
from plexus.transformers.anthropic_messages.usage import format_usage, parse_usage
from plexus.transformers.base import WireRequest
from plexus.transformers.ids import anthropic_id
from plexus.transformers.jsontext import call_object
from plexus.transformers.losses import LossLog, LossWarning
from plexus.transformers.proofs import seal
from plexus.unified.content import (
    AudioContent,
    CompactionContent,
    Content,
    ImageContent,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import Choice, UnifiedChatResponse, UnifiedUsage

_FAMILY = "anthropic"


def parse_response(body: bytes, wire: WireRequest) -> UnifiedChatResponse:
    """Raises PlexusError for an error in a 200, an empty completion, or a foreign body."""
    return plain_response(body, wire) or parse_any_response(body, wire)


def parse_any_response(body: bytes, wire: WireRequest) -> UnifiedChatResponse:
    """As ``parse_response``, block by block and member by member."""
    try:
        return _parse(body, wire)
    except Malformed as problem:
        who = wire.target.provider
        raise PlexusError(upstream_error(f"{who} sent a wrong answer: {problem}")) from None


def _parse(body: bytes, wire: WireRequest) -> UnifiedChatResponse:
    level = Level(body, "")
    fields = level.fields
    if fields.pop("type", None) == Raw(b'"error"') or "error" in fields:
        raise PlexusError(parse_stream_error(body))
    blocks = level.need("content", LIST)
    reason = level.take("stop_reason", STRING)
    if not blocks and reason is None:
        raise PlexusError(upstream_error("it sent an empty completion"))
    origin = origin_of(wire)
    parts: list[Content] = []
    for index, raw in enumerate(blocks):
        part = parse_block(raw, f"content[{index}]", origin)
        parts.append(client_call(part, wire) if isinstance(part, ToolCallContent) else part)
    fields.pop("role", None)
    detail = level.raw("stop_details")
    if reason == "refusal" and (refusal := parse_refusal(detail)) is not None:
        parts.append(refusal)
    content = tuple(parts)
    sequence = level.take("stop_sequence", STRING)
    found = parse_usage(level.take("usage", OBJECT))
    return UnifiedChatResponse(
        id=level.take("id", STRING) or "",
        model=level.take("model", STRING) or "",
        choices=(
            Choice(
                message=UnifiedMessage(role="assistant", content=content),
                finish=parse_finish(reason, sequence, detail, has_calls(content)),
            ),
        ),
        dialect=NAME,
        usage=found.usage if found is not None else None,
        service_tier=found.service_tier if found is not None else None,
        ext=message_ext(fields),
    )


def message_ext(fields: dict[str, Raw]) -> dict[str, dict[str, Raw]]:
    """What is left of a message: container, diagnostics and what is not known yet."""
    kept = {name: raw for name, raw in fields.items() if bytes(raw) != b"null"}
    return {NAME: kept} if kept else {}


def format_response(
    response: UnifiedChatResponse, request: UnifiedChatRequest
) -> tuple[bytes, tuple[LossWarning, ...]]:
    """A Message with usage always present.

    Raises PlexusError for an answer that ended in an error.
    """
    log = LossLog(RESPONSE_LOSSES)
    if len(response.choices) > 1:
        log.note("response.choices")
    choice = response.choices[0]
    if choice.finish.reason in ("error", "malformed_tool_call"):
        raise PlexusError(upstream_error("the provider's answer ended in an error"))
    if choice.logprobs is not None:
        log.note("response.logprobs")
    content = choice.message.content
    blocks, refusal = _blocks(content, response.dialect, log)
    tier = response.service_tier
    if tier is not None and tier not in ("standard", "priority", "batch"):
        log.note("response.service_tier")
    usage = response.usage
    if usage is None:
        usage = _estimated(request, content)
    body: dict[str, object] = {
        "id": message_id(response.id or request.source.request_id),
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": blocks,
        **format_finish(choice.finish, refusal, response.dialect),
        "usage": format_usage(usage, tier),
    }
    for dialect, fields in response.ext.items():
        if dialect == NAME:
            body.update(fields)
        elif fields:
            log.note("response.extra")
    return msgspec.json.encode(body), log.warnings


def _blocks(
    content: tuple[Content, ...], dialect: str, log: LossLog
) -> tuple[list[dict[str, object] | Raw], RefusalContent | None]:
    """The blocks of an answer, and its first refusal."""
    blocks: list[dict[str, object] | Raw] = []
    refusal: RefusalContent | None = None
    for part in content:
        if type(part) is TextContent and not (part.citations or part.proof or part.ext):
            # Nearly all parts are these: written here, at a third of the cost of ``format_part``.
            if part.text and (dialect == NAME or not part.text.isspace()):
                blocks.append({"type": "text", "text": part.text})
            continue
        if type(part) is RefusalContent:
            refusal = refusal or part
        blocks += format_part(part, dialect, log)
    return blocks, refusal


def _estimated(request: UnifiedChatRequest, content: tuple[Content, ...]) -> UnifiedUsage:
    prompt, output = estimate_prompt(request), estimate_output(content)
    return UnifiedUsage(
        prompt_tokens=prompt,
        completion_tokens=output,
        total_tokens=prompt + output,
        estimated=True,
    )


def format_part(part: Content, dialect: str, log: LossLog) -> Iterator[dict[str, object] | Raw]:
    """The blocks of a part of an answer; ``dialect`` is where the answer comes from."""
    match part:
        case TextContent():
            for block in cited_blocks(part, dialect == NAME, log):
                block.update(part.ext.get(NAME, {}))
                yield block
        case ThinkingContent():
            thought = thinking_block(part)
            if thought is not None:
                yield thought
            return
        case ToolCallContent():
            if part.proof is not None:
                yield thinking_block(ThinkingContent(proof=part.proof)) or {}
            yield tool_block(part, log)
            return
        case RefusalContent():
            if dialect != NAME:
                log.note("response.refusal")
                if part.text.strip():
                    yield {"type": "text", "text": part.text}
        case AudioContent():
            log.note("response.audio")
            if part.transcript:
                yield {"type": "text", "text": part.transcript}
        case _:
            raw = own_raw(part, log)
            if raw is not None:
                yield raw
    if part.proof is not None:
        yield thinking_block(ThinkingContent(proof=part.proof)) or {}


def own_raw(part: Content, log: LossLog) -> Raw | None:
    """A block only this dialect knows, as it came; another dialect's is left out."""
    match part:
        case ServerToolCallContent() | ServerToolResultContent():
            field = "response.server_tools"
        case CompactionContent():
            field = "response.compaction"
        case OpaqueContent():
            field = "response.opaque"
        case ImageContent():
            log.note("response.image")
            return None
        case _:
            log.note("response.opaque")
            return None
    if part.dialect == NAME:
        return part.raw
    log.note(field)
    return None


def proof_value(proof: Proof | None) -> str:
    """A Claude's own proof as it is, another's in an envelope, which Claude never sees."""
    if proof is None:
        return seal(Proof("", "signature", Origin("unknown")))
    return proof.value if proof.origin.family == _FAMILY else seal(proof)


def thinking_block(part: ThinkingContent) -> dict[str, object] | None:
    """None for thinking without text and without proof (mappings.md §12)."""
    text = part.text or "\n\n".join(part.summary or ())
    proof = part.proof
    if proof is None and not text:
        return None
    if proof is not None and not text and (part.redacted or proof.kind == "encrypted"):
        return {"type": "redacted_thinking", "data": proof_value(proof)}
    return {"type": "thinking", "thinking": text, "signature": proof_value(proof)}


def tool_block(part: ToolCallContent, log: LossLog) -> dict[str, object]:
    """A call with its input as an object (mappings.md §5.4)."""
    if part.kind == "custom":
        log.note("response.tool_call.custom")
        value: object = {"input": part.arguments}
    else:
        value, wrapped = call_object(part.arguments)
        if wrapped:
            log.note("response.tool_call.arguments")
    block: dict[str, object] = {
        "type": "tool_use",
        "id": anthropic_id(part.id, "toolu_"),
        "name": part.name,
        "input": value,
    }
    block.update(part.ext.get(NAME, {}))
    return block
