"""The one body guard in front of every endpoint (design decision 5; reliability.md A12 to A23)."""

import asyncio

import msgspec
from msgspec import Struct

from plexus.gateway.channel import Channel
from plexus.gateway.codings import CODINGS, BadCoding
from plexus.gateway.limits import Limits
from plexus.gateway.watch import Expired
from plexus.streaming.document import DocumentError, JsonBody
from plexus.streaming.form import FormBody
from plexus.transformers.translation import bad_json
from plexus.unified.errors import ErrorKind, PlexusError, UnifiedError, invalid


class Asked(Struct, frozen=True):
    """A guarded body: ``model`` is a non-empty name; of a form ``body`` is an empty object."""

    body: JsonBody
    model: str
    stream: bool
    form: FormBody | None = None


async def read_body(channel: Channel, limit: int, limits: Limits) -> bytes:
    """The decoded body, at most ``limit`` bytes.

    Raises PlexusError (413, 415, 400, 408) and ClientGone.  A declared length over the limit is
    refused before a byte is read.
    """
    coding = channel.headers.get(b"content-encoding", b"identity").strip().lower()
    if coding != b"identity" and coding not in CODINGS:
        raise _refused(415, "unsupported", "plexus_bad_encoding", _CODINGS)
    if int(channel.headers.get(b"content-length", b"0")) > limit:
        raise _too_large(limit)
    raw = await _receive(channel, limit, limits.receive)
    return raw if coding == b"identity" else unpack(raw, coding, limit)


_CODINGS = "this content-encoding is not supported; send gzip, deflate, br, zstd or none"


async def _receive(channel: Channel, limit: int, seconds: float) -> bytes:
    watch = channel.watch
    watch.deadline = asyncio.get_running_loop().time() + seconds
    try:
        with watch:
            body, more = await channel.chunk()
            if not more and len(body) <= limit:
                return body
            parts = [body]
            size = len(body)
            while more and size <= limit:
                body, more = await channel.chunk()
                parts.append(body)
                size += len(body)
    except Expired:
        message = f"the request body was not received within {seconds:g} s"
        raise _refused(408, "timeout", "plexus_timeout", message) from None
    if size > limit:
        raise _too_large(limit)
    return b"".join(parts)


def unpack(raw: bytes, coding: bytes, limit: int) -> bytes:
    """``raw`` without its coding, one of CODINGS.  Raises PlexusError (400, 413)."""
    try:
        body, whole = CODINGS[coding](raw, limit)
    except BadCoding:
        raise invalid(
            f"the request body is not valid {coding.decode('ascii')}", None, "plexus_bad_encoding"
        ) from None
    if len(body) > limit:
        raise _too_large(limit)
    if not whole:
        raise invalid(
            f"the {coding.decode('ascii')} request body is incomplete or followed by something",
            None,
            "plexus_bad_encoding",
        )
    return body


def parse_body(raw: bytes, named: str | None = None, stream: bool | None = None) -> Asked:
    """A JSON object that asks for a model.  Raises PlexusError (400) with ``param``.

    ``named`` is the model of a pinned address, which needs none in the body; ``stream`` is what the
    path of a Gemini call says.
    """
    try:
        # Which keys stand twice is looked at by what the body is for, as deep as is needed there.
        body = JsonBody.read(raw)
    except DocumentError as problem:
        raise bad_json(problem) from None
    return Asked(body, named or _model(body), _stream(body) if stream is None else stream)


def check_keys(body: JsonBody) -> None:
    """Raises PlexusError (400) for a key of the body itself that stands twice."""
    try:
        body.locate()
    except DocumentError as problem:
        raise bad_json(problem) from None


def check_chat(body: JsonBody) -> None:
    """Raises PlexusError (400) for a body of the Responses API, as Cursor sends it to chat."""
    if "input" in body.fields and "messages" not in body.fields:
        raise invalid(
            "this body is one of the Responses API (input, and no messages), and the address that "
            "of chat completions; send it to /v1/responses, where every model answers as well",
            "messages",
            "plexus_wrong_api",
        )


def parse_form(raw: bytes, content_type: str, named: str | None = None) -> Asked:
    """A multipart form that asks for a model.  Raises PlexusError (400) with ``param``."""
    try:
        form = FormBody.parse(raw, content_type)
        model = form.fields.get("model", b"").decode("utf-8")
    except (DocumentError, UnicodeDecodeError) as problem:
        param = problem.param if isinstance(problem, DocumentError) else "model"
        raise invalid(str(problem), param, "plexus_bad_form") from None
    if not model:
        raise invalid("model is required", "model", "missing_required_parameter")
    stream = form.fields.get("stream", b"").strip().lower() == b"true"
    return Asked(JsonBody.parse(b"{}"), named or model, stream, form)


def _model(body: JsonBody) -> str:
    raw = body.fields.get("model")
    if raw is None:
        raise invalid("model is required", "model", "missing_required_parameter")
    try:
        model = msgspec.json.decode(raw, type=str)
    except msgspec.MsgspecError:
        model = ""
    if not model:
        raise invalid("model must be a non-empty string", "model", "invalid_type")
    return model


def _stream(body: JsonBody) -> bool:
    match bytes(body.fields.get("stream", b"null")):
        case b"true":
            return True
        case b"false" | b"null":
            return False
        case _:
            raise invalid("stream must be true or false", "stream", "invalid_type")


def _too_large(limit: int) -> PlexusError:
    message = f"the request body is larger than {limit} bytes"
    return _refused(413, "too_large", "plexus_body_too_large", message)


def _refused(status: int, kind: ErrorKind, code: str, message: str) -> PlexusError:
    return PlexusError(
        UnifiedError(kind=kind, message=message, status=status, code=code, should_retry=False)
    )
