"""A whole Converse answer (reference/bedrock-vertex.md §4)."""

from msgspec import Raw

from plexus.transformers.anthropic_messages.errors import upstream_error
from plexus.transformers.anthropic_messages.finish import has_calls
from plexus.transformers.anthropic_messages.reader import LIST, OBJECT, STRING, Level, Malformed
from plexus.transformers.base import WireRequest
from plexus.transformers.bedrock_converse.content import parse_block
from plexus.transformers.bedrock_converse.errors import parse_error
from plexus.transformers.bedrock_converse.finish import parse_finish
from plexus.transformers.bedrock_converse.models import NAME
from plexus.transformers.bedrock_converse.usage import parse_usage
from plexus.unified.content import Content
from plexus.unified.errors import PlexusError
from plexus.unified.request import UnifiedMessage
from plexus.unified.response import Choice, UnifiedChatResponse

_TIERS = {"default": "standard"}


def parse_response(body: bytes, wire: WireRequest) -> UnifiedChatResponse:
    """Raises PlexusError for an error in a 200, an empty completion, or a foreign body."""
    try:
        return _parse(body, wire)
    except Malformed as problem:
        raise PlexusError(upstream_error(f"it sent a wrong answer: {problem}")) from None


def _parse(body: bytes, wire: WireRequest) -> UnifiedChatResponse:
    level = Level(body, "")
    if "output" not in level.fields and {"message", "Message"} & level.fields.keys():
        raise PlexusError(parse_error(200, {}, body))
    output = Level.of(level.need("output", OBJECT), "output")
    message = Level.of(output.need("message", OBJECT), "output.message")
    blocks = message.need("content", LIST)
    reason = level.take("stopReason", STRING)
    if not blocks and reason is None:
        raise PlexusError(upstream_error("it sent an empty completion"))
    parts: list[Content] = []
    for index, raw in enumerate(blocks):
        part = parse_block(raw, f"output.message.content[{index}]", wire)
        if part is not None:
            parts.append(part)
    content = tuple(parts)
    more = level.raw("additionalModelResponseFields")
    return UnifiedChatResponse(
        id="",
        model=wire.target.model,
        choices=(
            Choice(
                message=UnifiedMessage(role="assistant", content=content),
                finish=parse_finish(reason, more, has_calls(content)),
            ),
        ),
        dialect=NAME,
        usage=parse_usage(level.take("usage", OBJECT)),
        service_tier=parse_tier(level),
        ext=answer_ext(level.fields, more),
    )


def parse_tier(level: Level) -> str | None:
    tier = level.object("serviceTier")
    name = tier.take("type", STRING) if tier is not None else None
    return None if name is None else _TIERS.get(name, name)


def answer_ext(fields: dict[str, Raw], more: Raw | None) -> dict[str, dict[str, Raw]]:
    """What only Converse says: trace, metrics, the model's own fields."""
    kept = {name: raw for name, raw in fields.items() if bytes(raw) != b"null" and name != "p"}
    if more is not None:
        kept["additionalModelResponseFields"] = more
    return {NAME: kept} if kept else {}
