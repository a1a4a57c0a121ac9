"""What a provider's answer is in the client's words: whose proofs it has, what its calls mean."""

from msgspec.structs import replace

from plexus.transformers.base import WireRequest
from plexus.transformers.jsontext import custom_text
from plexus.unified.content import Content, Origin, TextContent, ToolCallContent


def origin_of(wire: WireRequest) -> Origin:
    """Who issued the proofs of an answer."""
    return Origin(wire.target.family, wire.target.provider, wire.target.model)


def client_call(part: ToolCallContent, wire: WireRequest) -> Content:
    """A call in the client's words: its own name, custom tools and structured output undone."""
    if part.name == wire.structured_tool:
        return TextContent(text=part.arguments)
    name = wire.tool_names.get(part.name, part.name)
    if part.name not in wire.custom_tools:
        return part if name == part.name else replace(part, name=name)
    return replace(part, name=name, kind="custom", arguments=custom_text(part.arguments))
