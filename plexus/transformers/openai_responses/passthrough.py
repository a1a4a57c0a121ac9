"""A client's own bytes to a provider of this dialect (canonical.md §8)."""

import msgspec
from msgspec import Raw

from plexus.transformers.base import ClientCall, WireRequest, picked
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.openai_responses.headers import FORWARDED_HEADERS
from plexus.transformers.openai_responses.request_format import PATH
from plexus.transformers.proofs import PREFIX

_MARK = f'"{PREFIX}'.encode()
_raws = msgspec.json.Decoder(list[Raw]).decode


class _Item(msgspec.Struct):
    type: str = ""
    encrypted_content: str | None = None


_item = msgspec.json.Decoder(_Item).decode


def passthrough(call: ClientCall, target: TargetModel) -> WireRequest:
    """The model's name spliced in, and Plexus' own envelopes taken out; nothing else.

    A conversation that a model of another dialect began holds reasoning items whose encrypted
    content is an envelope; the provider would refuse them (mappings.md §12).
    """
    changes: dict[str, bytes | None] = {"model": msgspec.json.encode(target.model)}
    if _MARK in call.body.raw:
        items = _without_envelopes(call.body.fields.get("input"))
        if items is not None:
            changes["input"] = items
    return WireRequest(
        target=target,
        path=PATH,
        body=call.body.edit(changes),
        headers=picked(call.source, FORWARDED_HEADERS),
        stream=call.stream,
    )


def _without_envelopes(raw: Raw | None) -> bytes | None:
    """The items without enveloped reasoning; None when they are not what they should be.

    What is malformed goes on as it is: the provider says what is wrong with it.
    """
    try:
        items = _raws(raw or b"null")
        return b"[%b]" % b",".join(bytes(item) for item in items if not _enveloped(item))
    except msgspec.MsgspecError:
        return None


def _enveloped(raw: Raw) -> bool:
    if _MARK not in bytes(raw):
        return False
    item = _item(raw)
    return item.type == "reasoning" and (item.encrypted_content or "").startswith(PREFIX)
