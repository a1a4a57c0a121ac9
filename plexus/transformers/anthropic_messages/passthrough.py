"""A client's own bytes to a provider of this dialect (canonical.md §8)."""

import msgspec
from msgspec import Raw

from plexus.transformers.anthropic_messages.headers import passed_headers
from plexus.transformers.anthropic_messages.reader import edited
from plexus.transformers.anthropic_messages.request_format import FAMILY, PATH
from plexus.transformers.attribution import ATTRIBUTION
from plexus.transformers.base import ClientCall, WireRequest
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.proofs import PREFIX

_MARK = f'"{PREFIX}'.encode()

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_raws = msgspec.json.Decoder(list[Raw]).decode


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None
    signature: str | None = None
    data: str | None = None


_block = msgspec.json.Decoder(_Block).decode


def passthrough(call: ClientCall, target: TargetModel) -> WireRequest:
    """The model's name spliced in, and Plexus' own envelopes taken out; nothing else.

    A conversation that another model began holds thinking whose signature is an envelope; the
    provider would refuse it (mappings.md §12: an envelope must never reach Claude).  Claude Code's
    changing line is for Anthropic alone (mappings.md §4).
    """
    changes: dict[str, bytes | None] = {"model": msgspec.json.encode(target.model)}
    if _MARK in call.body.raw:
        messages = _without_envelopes(call.body.fields.get("messages"))
        if messages is not None:
            changes["messages"] = messages
    if target.family != FAMILY and ATTRIBUTION.encode() in call.body.raw:
        system = _without_attribution(call.body.fields.get("system"))
        if system is not None:
            changes["system"] = system
    return WireRequest(
        target=target,
        path=PATH,
        body=call.body.edit(changes),
        headers=passed_headers(call.source),
        stream=call.stream,
    )


def _without_envelopes(messages: Raw | None) -> bytes | None:
    """The messages without enveloped thinking; None when they are not what they should be.

    What is malformed goes on as it is: the provider says what is wrong with it.
    """
    try:
        return b"[%b]" % b",".join(map(_message, _raws(messages or b"null")))
    except msgspec.MsgspecError:
        return None


def _without_attribution(system: Raw | None) -> bytes | None:
    """The blocks of ``system`` without the one that would spoil every cache (traps T18)."""
    try:
        kept = [bytes(raw) for raw in _raws(system or b"null") if not _attribution(raw)]
    except msgspec.MsgspecError:
        return None
    return b"[%b]" % b",".join(kept)


def _attribution(raw: Raw) -> bool:
    return (_block(raw).text or "").startswith(ATTRIBUTION)


def _message(message: Raw) -> bytes:
    data = bytes(message)
    if _MARK not in data:
        return data
    content = _members(message).get("content")
    if content is None or not bytes(content).startswith(b"["):
        return data
    kept = [block for block in _raws(content) if not _enveloped(block)]
    return bytes(edited(message, content=kept))


def _enveloped(raw: Raw) -> bool:
    if _MARK not in bytes(raw):
        return False
    block = _block(raw)
    if block.type not in ("thinking", "redacted_thinking"):
        return False
    return (block.signature or block.data or "").startswith(PREFIX)
