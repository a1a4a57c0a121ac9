"""Google's OAuth tokens with google-auth (extra ``vertex``).

Imported only when a provider has such a credential.
"""

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

import google.auth
import google.auth.exceptions
import msgspec
from google.oauth2 import service_account
from msgspec import Struct
from msgspec.structs import replace

from plexus.accounts.secret import Secret
from plexus.gateway.upstream.base import UpstreamFailed, UpstreamRequest
from plexus.gateway.upstream.credential import CredentialError, Renewal
from plexus.transformers.base import Headers

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_CALL_TIMEOUT_S = 10.0
_SPARE_S = 30.0
"""A token with less left than this may be gone before the provider looks at it."""
_EARLY_S = 240.0
"""With less left than this the next one is fetched while this one still serves."""
# The last three are what google-auth makes of a token service that answers anything else.
_FAILURES = (google.auth.exceptions.GoogleAuthError, KeyError, TypeError, ValueError)
_WORD = re.compile(r"[a-z_]{3,40}")


class Token(Struct, frozen=True):
    """``headers`` are what a request needs; ``expires`` is Unix seconds."""

    headers: Headers
    expires: float

    def __repr__(self) -> str:
        return "Token(***)"


class TokenCredential:
    """Keeps a token until it is nearly spent.

    ``key`` is the text of a service account's key file, None for Application Default Credentials;
    ``tls`` the context for Google's token service.  Raises CredentialError for a bad key.
    """

    def __init__(
        self, key: Secret | None, tls: ssl.SSLContext | None, clock: Callable[[], float]
    ) -> None:
        self._call = _Transport(tls)
        self._source: Any = None if key is None else _service_account(key)
        self._clock = clock
        self._token: Token | None = None
        self._renewal = Renewal(self._fetch)

    async def apply(self, request: UpstreamRequest) -> UpstreamRequest:
        """Raises UpstreamFailed when there is no token to be had."""
        token = self._token
        left = 0.0 if token is None else token.expires - self._clock()
        if token is None or left < _SPARE_S:
            token = await self._renewal.wait()
        elif left < _EARLY_S:
            self._renewal.start()
        return replace(request, extra_headers=request.extra_headers + token.headers)

    def _fetch(self) -> Token:
        """A new token, from whoever issues it; blocks."""
        try:
            if self._source is None:
                self._source, _ = google.auth.default(scopes=[SCOPE], request=self._call)
            self._source.refresh(self._call)
        except _FAILURES as problem:
            raise UpstreamFailed("connect", f"Google gave no token ({_reason(problem)})") from None
        headers: dict[str, str] = {}
        self._source.apply(headers)
        pairs = tuple((name.lower(), value) for name, value in headers.items())
        expires = self._source.expiry.replace(tzinfo=UTC).timestamp()
        self._token = Token(pairs, expires)
        return self._token


def _service_account(key: Secret) -> Any:
    """Raises CredentialError; its text holds nothing of the key."""
    try:
        info = msgspec.json.decode(key.reveal(), type=dict[str, Any])
        return service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])
    except (msgspec.MsgspecError, ValueError, google.auth.exceptions.GoogleAuthError):
        raise CredentialError("is not the JSON key of a Google service account") from None


def _reason(problem: Exception) -> str:
    """The OAuth error's own word, else what kind of failure it is."""
    said = str(problem.args[0]).partition(":")[0] if problem.args else ""
    return said if _WORD.fullmatch(said) else type(problem).__name__


class _Answer:
    """What google-auth asks of an answer."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data


class _Transport:
    """google-auth's way out, without a further HTTP library; the environment's proxies are not used
    (reliability.md G15).
    """

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        handlers: list[Any] = [urllib.request.ProxyHandler({})]
        if tls is not None:
            handlers.append(urllib.request.HTTPSHandler(context=tls))
        self._open = urllib.request.build_opener(*handlers).open

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **more: Any,
    ) -> _Answer:
        request = urllib.request.Request(url, body, dict(headers or {}), method=method)
        limit = min(timeout or _CALL_TIMEOUT_S, _CALL_TIMEOUT_S)
        try:
            with self._open(request, timeout=limit) as answer:
                return _Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as problem:
            with problem:
                return _Answer(problem.code, dict(problem.headers), problem.read())
        except OSError as problem:
            name = type(problem).__name__
            raise google.auth.exceptions.TransportError(name) from None
