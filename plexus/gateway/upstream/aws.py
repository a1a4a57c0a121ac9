"""AWS Signature Version 4: botocore's signer and credential chain (extra ``bedrock``).

Imported only when a provider has such a credential.
"""

from collections.abc import Mapping
from typing import Any

import botocore.exceptions
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session
from msgspec.structs import replace

from plexus.accounts.secret import Secret
from plexus.gateway.upstream.base import UpstreamFailed, UpstreamRequest
from plexus.gateway.upstream.credential import Renewal
from plexus.routing.target import AwsSignature, SecretRef

_FAILURES = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)


class SignedCredential:
    """Signs each request anew: a signature holds for five minutes, and for these bytes only."""

    def __init__(self, signature: AwsSignature, secrets: Mapping[SecretRef, Secret]) -> None:
        self._signature = signature
        self._source: Any = _given(signature, secrets)
        self._renewal = Renewal(self._find)

    async def apply(self, request: UpstreamRequest) -> UpstreamRequest:
        """Raises UpstreamFailed when there are no keys."""
        keys = await self._keys()
        # Headers that the HTTP client may still change are not signed.
        signed = AWSRequest(method=request.method, url=request.url, data=request.body, headers={})
        SigV4Auth(keys, self._signature.service, self._signature.region).add_auth(signed)
        headers = tuple((name.lower(), value) for name, value in signed.headers.items())
        return replace(request, extra_headers=request.extra_headers + headers)

    async def _keys(self) -> Any:
        source = self._source
        if source is None or _stale(source):
            return await self._renewal.wait()
        return source.get_frozen_credentials()

    def _find(self) -> Any:
        """Keys that are good now; asks files and services, so it blocks."""
        try:
            if self._source is None:
                session = Session(profile=self._signature.profile)
                session.set_config_variable("region", self._signature.region)
                self._source = session.get_credentials()
            if self._source is not None:
                return self._source.get_frozen_credentials()
        except _FAILURES as problem:
            name = type(problem).__name__
            raise UpstreamFailed("connect", f"AWS gave no credentials ({name})") from None
        raise UpstreamFailed("connect", "there are no AWS credentials here")


def _given(signature: AwsSignature, secrets: Mapping[SecretRef, Secret]) -> Any:
    """The keys that the config refers to, or None for the chain's."""
    if signature.access_key_id is None or signature.secret_access_key is None:
        return None
    token = signature.session_token
    return Credentials(
        secrets[signature.access_key_id].reveal(),
        secrets[signature.secret_access_key].reveal(),
        None if token is None else secrets[token].reveal(),
    )


def _stale(source: Any) -> bool:
    """Whether asking for the keys may call a service; static keys never do."""
    needed = getattr(source, "refresh_needed", None)
    return needed is not None and bool(needed())
