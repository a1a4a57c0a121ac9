"""``streamoptions``: ask chat providers for usage in streams."""

from typing import ClassVar

import msgspec
from msgspec import Raw

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep

_members = msgspec.json.Decoder(dict[str, Raw]).decode


class StreamOptions(WireStep, frozen=True):
    """Sets ``stream_options.include_usage`` on chat streams; other options of the client stay.

    Plexus asks for usage on every chat stream anyway, whatever the client said; so the step changes
    something only where ``extra_body`` or another step said otherwise.  Source: musistudio/llms
    ``streamoptions`` (lineage §2.3 row 20).
    """

    NAME: ClassVar[str] = "streamoptions"

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        if dialect != "openai-chat" or bytes(body.fields.get("stream", b"")) != b"true":
            return {}
        sent = body.fields.get("stream_options")
        try:
            options = {} if sent is None else _members(sent)
        except msgspec.ValidationError:
            options = {}
        if bytes(options.get("include_usage", b"")) == b"true":
            return {}
        return {"stream_options": msgspec.json.encode({**options, "include_usage": True})}
