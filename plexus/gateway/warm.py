"""The answer to a frame with ``generate: false``: it costs no upstream call (ecosystem.md §1.3)."""

from plexus.gateway.channel import Channel
from plexus.streaming.framing import Frame
from plexus.transformers.base import ClientCall
from plexus.transformers.openai_responses.frames import warm_events
from plexus.transformers.openai_responses.ids import made_id


async def answer_warm(channel: Channel, call: ClientCall) -> None:
    """A response without output, made here."""
    assert call.framing is not None
    encoder = call.framing()
    source = call.source
    events = warm_events(
        call.body, made_id("resp_", source.request_id), call.model, source.received
    )
    data = b"".join(encoder.encode(Frame("", event)) for event in events)
    channel.record.outcome = "ok"
    kind = (b"content-type", encoder.content_type.encode("ascii"))
    await channel.send(200, [kind], data + encoder.end())
