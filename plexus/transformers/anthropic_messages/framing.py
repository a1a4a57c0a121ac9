"""The dialect's events have names; a vendor that leaves them out is helped along."""

import msgspec
from msgspec import Raw, Struct

from plexus.streaming.framing import Frame
from plexus.streaming.sse import SSEDecoder, SSEEncoder
from plexus.transformers.anthropic_messages.events import given


class _Typed(Struct):
    type: str = ""
    error: Raw = Raw()


_typed = msgspec.json.Decoder(_Typed).decode
_encode = SSEEncoder().encode


class MessagesDecoder(SSEDecoder):
    """Gives every event the name that its data has: the official SDKs drop events without one
    (traps T52).  Errors stay as they came, for the observer to judge.
    """

    def feed(self, data: bytes) -> list[Frame]:
        frames = super().feed(data)
        for frame in frames:
            if not frame.event:
                return [frame if frame.event else _named(frame) for frame in frames]
        return frames

    def close(self) -> list[Frame]:
        return [frame if frame.event else _named(frame) for frame in super().close()]


def _named(frame: Frame) -> Frame:
    if not frame.data:
        return frame
    try:
        found = _typed(frame.data)
    except (msgspec.MsgspecError, RecursionError):
        return frame
    if not found.type or found.type == "error" or given(found.error):
        return frame
    if "\n" in found.type or "\r" in found.type:
        return frame
    named = Frame(found.type, frame.data)
    return Frame(named.event, named.data, _encode(named))
