"""What a provider's error body says, in whatever shape it comes (errors.md §2)."""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

BODY_LIMIT = 64 * 1024
"""Bytes of an error body that are read; the rest says nothing new."""

TEXT_LIMIT = 500
MESSAGE_LIMIT = 2048

_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_SECRETS = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|csk|pplx|nvapi|hf|AIza)[-_]?[A-Za-z0-9_*-]{12,}"
    r"|\bBearer\s+[A-Za-z0-9._~+/=-]{8,}"
    r"|(?<=[?&])(?:key|api_key|token|access_token)=[^&\s\"']+",
)


class Evidence(Struct, frozen=True, kw_only=True):
    """``status`` is the one the body names; ``text`` is all that was said, in lower case."""

    message: str = ""
    type: str = ""
    code: str = ""
    param: str | None = None
    status: int | None = None
    text: str = ""
    retry_delay: str = ""


def read_evidence(body: bytes) -> Evidence:
    """The evidence in ``body``; never raises."""
    if len(body) <= BODY_LIMIT:
        try:
            found = find(msgspec.json.decode(body))
        except (msgspec.DecodeError, RecursionError):
            found = None
        if found is not None:
            return found
    text = " ".join(_TAG.sub(" ", body[:BODY_LIMIT].decode("utf-8", "replace")).split())
    message = scrub(text[:TEXT_LIMIT])
    return Evidence(message=message, text=message.lower())


def find(value: object) -> Evidence | None:
    """The error in a decoded body, in the order of errors.md §2; None when there is none."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if isinstance(error, dict) and error:
        outer = value.get("status_code")
        return _of_object({"status_code": outer, **error} if outer is not None else error)
    if isinstance(error, str) and error:
        said = value.get("message") or value.get("detail")
        message = said if isinstance(said, str) else error
        return _of_object({**value, "message": message, "error": error})
    for name in ("errors", "detail", "message", "Message"):
        said = value.get(name)
        if said:
            return _of_object({**value, "message": said})
    return None


def _of_object(error: dict[str, Any]) -> Evidence:
    message = _words(error.get("message") or error.get("error") or error.get("msg"))
    inner = _inner(error, message)
    said = f"{message}: {inner}" if inner and inner not in message else message
    code = error.get("code")
    status = error.get("status_code") or error.get("raw_status_code") or code
    inner_code = error.get("innererror")
    if isinstance(inner_code, dict) and isinstance(inner_code.get("code"), str):
        said_code = f"{code} {inner_code['code']}"
    else:
        said_code = code if isinstance(code, str) else ""
    kind = error.get("type") or error.get("status")
    param = error.get("param")
    metadata = error.get("metadata")
    reasons = metadata.get("error_type") if isinstance(metadata, dict) else None
    words = " ".join(str(word) for word in (said, kind, said_code, reasons) if word)
    return Evidence(
        message=scrub(said)[:MESSAGE_LIMIT],
        type=kind if isinstance(kind, str) else "",
        code=said_code.partition(" ")[0],
        param=param if isinstance(param, str) else None,
        status=status if isinstance(status, int) and 400 <= status < 600 else None,
        text=words.lower(),
        retry_delay=_retry_delay(error.get("details")),
    )


def _words(said: object) -> str:
    """A message that may be text, or FastAPI's list of ``{loc, msg}``."""
    if isinstance(said, str):
        return said
    if isinstance(said, list):
        return "; ".join(filter(None, map(_words_of_item, said)))
    if isinstance(said, dict):
        return _words_of_item(said) or msgspec.json.encode(said).decode()
    return "" if said is None else str(said)


def _words_of_item(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    where = item.get("loc")
    path = ".".join(map(str, where)) if isinstance(where, list) else ""
    said = item.get("msg") or item.get("message") or item.get("detail") or ""
    return f"{path}: {said}" if path else str(said)


def _inner(error: dict[str, Any], message: str) -> str:
    """The provider's own words where a gateway wrapped them (OpenRouter, Vertex)."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    wrapped = raw if isinstance(raw, str) else message
    start = wrapped.find("{")
    if start < 0:
        return wrapped if raw is wrapped else ""
    try:
        value = msgspec.json.decode(wrapped[start:].encode())
    except (msgspec.DecodeError, RecursionError):
        return wrapped if raw is wrapped else ""
    if isinstance(value, dict):
        inner = value.get("error") if isinstance(value.get("error"), dict) else value
        if isinstance(inner, dict):
            return " ".join(str(inner[k]) for k in ("type", "code", "message") if inner.get(k))
    return ""


def _retry_delay(details: object) -> str:
    """Google's ``RetryInfo``: a duration such as ``37s``."""
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(detail.get("retryDelay"), str):
            delay: str = detail["retryDelay"]
            return delay
    return ""


def scrub(text: str) -> str:
    """Provider keys never reach a client (errors.md §3)."""
    return _SECRETS.sub("[key]", text)


def truthy(raw: Raw | None) -> bool:
    """Whether an ``error`` member says anything: vendors send null, false, "" and {} as well."""
    return raw is not None and bytes(memoryview(raw)[:5]) not in (b"null", b"false", b'""', b"{}")
