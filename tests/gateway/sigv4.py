"""AWS Signature Version 4 as the service checks it, written from its description and from nothing
of botocore (docs.aws.amazon.com: Signature Version 4 signing process)."""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import quote

from tests.faults.server import Request

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)"
    r"/aws4_request, SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


class Signed:
    """Who signed a request, for what; ``by(secret)`` tells whether that secret did."""

    def __init__(self, request: Request) -> None:
        match = _AUTHORIZATION.fullmatch(request.headers["authorization"])
        assert match is not None, request.headers["authorization"]
        self.id, self.day, self.region, self.service = match.group("id", "day", "region", "service")
        self.names = match["names"].split(";")
        self.signature = match["signature"]
        self.request = request

    def by(self, secret: str) -> bool:
        request = self.request
        path, _, query = request.path.partition("?")
        headers = "".join(
            f"{name}:{' '.join(request.headers[name].split())}\n" for name in self.names
        )
        canonical = "\n".join(
            [
                request.method,
                quote(path, safe="/-_.~"),
                query,
                headers,
                ";".join(self.names),
                hashlib.sha256(request.body).hexdigest(),
            ]
        )
        scope = f"{self.day}/{self.region}/{self.service}/aws4_request"
        text = "\n".join(
            [
                "AWS4-HMAC-SHA256",
                request.headers["x-amz-date"],
                scope,
                hashlib.sha256(canonical.encode()).hexdigest(),
            ]
        )
        key = f"AWS4{secret}".encode()
        for part in (self.day, self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex() == self.signature
