"""A client's own bytes to a provider of this dialect (canonical.md §8)."""

import msgspec
from msgspec import Raw

from plexus.transformers.base import TRACING, ClientCall, WireRequest, picked
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.gemini.reader import Level, Malformed, snake
from plexus.transformers.gemini.request_format import model_path
from plexus.transformers.gemini.signatures import ENVELOPE_MARK, opened
from plexus.transformers.proofs import SENTINEL

_raws = msgspec.json.Decoder(list[Raw]).decode
_text = msgspec.json.Decoder(str | None).decode
_FIELDS = ("thoughtSignature", snake("thoughtSignature"))


def passthrough(call: ClientCall, target: TargetModel) -> WireRequest:
    """The model goes into the path; Plexus' own envelopes are taken out; nothing else.

    A conversation that another family's model began holds its proofs in ``thoughtSignature``, which
    Google would refuse (canonical.md §6).
    """
    changes: dict[str, bytes | None] = {}
    named = call.body.fields.get("model")
    if named is not None:
        prefix = "models/" if bytes(named).startswith(b'"models/') else ""
        changes["model"] = msgspec.json.encode(prefix + target.model)
    if ENVELOPE_MARK in call.body.raw and "contents" in call.body.fields:
        contents = _without_envelopes(call.body.fields["contents"])
        if contents is not None:
            changes["contents"] = contents
    return WireRequest(
        target=target,
        path=model_path(target.model, call.stream),
        body=call.body.edit(changes) if changes else call.body.raw,
        headers=picked(call.source, TRACING),
        stream=call.stream,
    )


def _without_envelopes(contents: Raw) -> bytes | None:
    """The contents without enveloped proofs; None when they are not what they should be.

    What is malformed goes on as it is: the provider says what is wrong with it.
    """
    try:
        return b"[%b]" % b",".join(map(_content, _raws(contents)))
    except (msgspec.MsgspecError, Malformed):
        return None


def _content(raw: Raw) -> bytes:
    if ENVELOPE_MARK not in bytes(raw):
        return bytes(raw)
    level = Level(raw, "contents")
    parts = level.fields.get("parts")
    if parts is None:
        return bytes(raw)
    kept: list[Raw] = []
    first = True
    for part in _raws(parts):
        call = b'"functionCall"' in bytes(part) or b'"function_call"' in bytes(part)
        written = _part(part, call and first)
        first = first and not call
        if written is not None:
            kept.append(written)
    return msgspec.json.encode({**level.fields, "parts": kept})


def _part(raw: Raw, first_call: bool) -> Raw | None:
    """The part without an enveloped proof; a foreign thought goes with it.

    A step's first call must be signed: Google's own sentinel stands in (gemini.md §5).
    """
    if ENVELOPE_MARK not in bytes(raw):
        return raw
    fields = Level(raw, "parts").fields
    name = next((n for n in _FIELDS if n in fields and opened(_text(fields[n]) or "")), None)
    if name is None:
        return raw
    if bytes(fields.get("thought", b"false")) == b"true":
        return None
    del fields[name]
    if first_call:
        fields[name] = Raw(msgspec.json.encode(SENTINEL))
    return Raw(msgspec.json.encode(fields))
