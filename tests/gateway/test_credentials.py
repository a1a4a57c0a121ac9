"""Credentials made at run time: AWS keys and Google tokens, from services on loopback."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from plexus.accounts.secret import Secret
from plexus.gateway.upstream.aws import SignedCredential
from plexus.gateway.upstream.base import UpstreamFailed, UpstreamRequest
from plexus.gateway.upstream.credential import CredentialError, Renewal
from plexus.gateway.upstream.google import TokenCredential
from plexus.routing.target import AwsSignature, SecretRef, Timeouts
from tests.faults.server import DEADLINE, FaultServer, Peer
from tests.gateway.clouds import SECRETS, amazon, served, vendor
from tests.gateway.conftest import Serve
from tests.gateway.harness import MESSAGES, compiled
from tests.gateway.sigv4 import Signed

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """The clouds' libraries leave connections to the collector; other tests count open files."""
    yield
    gc.collect()


def request(url: str = "https://example.com/x") -> UpstreamRequest:
    return UpstreamRequest(
        method="POST",
        url=url,
        static_head=(),
        extra_headers=(("a", "b"),),
        body=b"{}",
        dialect="d",
        model="m",
        timeouts=Timeouts(),
    )


# --- Google ---------------------------------------------------------------------------------------


class Account:
    """A service account of our own making."""

    def __init__(self, token_uri: str) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.key = json.dumps(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key_id": "k1",
                "private_key": pem.decode(),
                "client_email": "plexus@p.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": token_uri,
            },
            indent=2,
        )

    def claims(self, assertion: str) -> dict[str, Any]:
        """What a signed assertion says.  Raises InvalidSignature."""
        head, claims, signature = assertion.split(".")
        signed = f"{head}.{claims}".encode()
        self._key.public_key().verify(
            _unbased(signature), signed, padding.PKCS1v15(), hashes.SHA256()
        )
        found: dict[str, Any] = json.loads(_unbased(claims))
        return found


def _unbased(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def issuing(
    expires: int = 3600, wait: asyncio.Event | None = None
) -> Callable[[Peer], Awaitable[None]]:
    """A token service; its tokens are numbered."""
    count = iter(range(1, 100))

    async def script(peer: Peer) -> None:
        assert peer.request.path == "/token"
        if wait is not None:
            await wait.wait()
        token = {
            "access_token": f"ya29.{next(count)}",
            "expires_in": expires,
            "token_type": "Bearer",
        }
        await peer.answer(200, json.dumps(token).encode())

    return script


def headers(found: UpstreamRequest) -> dict[str, str]:
    return dict(found.extra_headers)


def utc() -> float:
    return datetime.now(UTC).timestamp()


def test_one_token_for_all_who_wait(first: FaultServer) -> None:
    gate = asyncio.Event()
    first.script = issuing(wait=gate)
    made = Account(f"http://127.0.0.1:{first.port}/token")

    async def main() -> list[UpstreamRequest]:
        credential = TokenCredential(Secret(made.key), None, utc)
        tasks = [asyncio.ensure_future(credential.apply(request())) for _ in range(20)]
        gone = asyncio.ensure_future(credential.apply(request()))
        await asyncio.to_thread(first.wait, lambda: len(first.requests) == 1, "the token service")
        gone.cancel()
        first.call(gate.set)
        found = await asyncio.gather(*tasks)
        return [*found, await credential.apply(request())]

    found = asyncio.run(main())
    assert {headers(one)["authorization"] for one in found} == {"Bearer ya29.1"}
    assert found[0].extra_headers[0] == ("a", "b")
    (asked,) = first.requests
    form = parse_qs(asked.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    claims = made.claims(form["assertion"][0])
    assert claims["iss"] == "plexus@p.iam.gserviceaccount.com"
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"


def test_tokens_are_renewed_early_and_never_used_late(first: FaultServer) -> None:
    first.script = issuing()
    made = Account(f"http://127.0.0.1:{first.port}/token")
    offset = 0.0

    async def main() -> None:
        nonlocal offset
        credential = TokenCredential(Secret(made.key), None, lambda: utc() + offset)

        async def token() -> str:
            return headers(await credential.apply(request()))["authorization"]

        assert await token() == await token() == "Bearer ya29.1"
        offset = 3600 - 120  # two minutes left: the old one serves, the next one is fetched
        assert await token() == "Bearer ya29.1"
        await asyncio.to_thread(first.wait, lambda: len(first.requests) == 2, "the renewal")
        task = credential._renewal.start()
        await asyncio.wait([task])
        offset += 3600  # nothing left: nobody gets the old one
        assert await token() == f"Bearer ya29.{len(first.requests)}"

    asyncio.run(main())


REFUSED = {
    "refused": (
        400,
        b'{"error":"invalid_grant","error_description":"account gone"}',
        "invalid_grant",
    ),
    "broken": (500, b"oops", ""),
    "page": (200, b"<html>", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_token(first: FaultServer, name: str) -> None:
    status, body, word = REFUSED[name]

    async def script(peer: Peer) -> None:
        await peer.answer(status, body)

    first.script = script
    made = Account(f"http://127.0.0.1:{first.port}/token")

    async def main() -> None:
        await TokenCredential(Secret(made.key), None, utc).apply(request())

    with pytest.raises(UpstreamFailed) as caught:
        asyncio.run(main())
    said = caught.value.message
    assert caught.value.stage == "connect"
    assert word in said and "127.0.0.1" not in said and "PRIVATE" not in said


def test_no_token_service_is_a_502_and_the_next_target_answers(
    serve: Serve, first: FaultServer, second: FaultServer
) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.answer(400, b'{"error":"invalid_grant"}')

    first.script, second.script = refuse, vendor()
    made = Account(f"http://127.0.0.1:{first.port}/token")
    base = "/v1/projects/p/locations/l"
    fields: dict[str, Any] = {"type": "anthropic-messages", "platform": "vertex"}
    credential = {"type": "google", "key": {"env": "GOOGLE_KEY"}}
    config = served(first, base, "c", credential=credential, **fields)
    config["providers"]["other"] = served(second, base, "c", api_key={"env": "K"}, **fields)[
        "providers"
    ]["cloud"]
    config["aliases"]["both"] = {"selector": "in_order", "targets": ["cloud/c", "other/c"]}
    gateway = serve(config, environment={"GOOGLE_KEY": made.key, "K": "token"})
    alone = gateway.ask(MESSAGES, model="m")
    assert alone.status == 502
    assert "invalid_grant" in alone.error["message"]
    assert gateway.ask(MESSAGES, model="both").status == 200


def test_claude_on_vertex_with_a_service_account(serve: Serve, first: FaultServer) -> None:
    """The key stands in a file with line breaks; one token serves all requests."""
    issue, answer = issuing(), vendor()

    async def script(peer: Peer) -> None:
        await (issue if peer.request.path == "/token" else answer)(peer)

    first.script = script
    made = Account(f"http://127.0.0.1:{first.port}/token")
    config = served(
        first,
        "/v1/projects/p/locations/l",
        "claude",
        type="anthropic-messages",
        platform="vertex",
        credential={"type": "google", "key": {"env": "GOOGLE_KEY"}},
    )
    gateway = serve(config, environment={"GOOGLE_KEY": made.key})
    for stream in (False, True):
        assert gateway.ask(MESSAGES, model="m", stream=stream).status == 200
    assert [r.path == "/token" for r in first.requests] == [True, False, False]
    assert {r.headers.get("authorization") for r in first.requests[1:]} == {"Bearer ya29.1"}


def test_application_default_credentials(
    first: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.script = issuing()
    file = tmp_path / "key.json"
    file.write_text(Account(f"http://127.0.0.1:{first.port}/token").key)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    async def main() -> UpstreamRequest:
        return await TokenCredential(None, None, utc).apply(request())

    assert headers(asyncio.run(main()))["authorization"] == "Bearer ya29.1"


def test_no_application_default_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))

    async def main() -> None:
        await TokenCredential(None, None, utc).apply(request())

    with pytest.raises(UpstreamFailed, match="DefaultCredentialsError"):
        asyncio.run(main())


@pytest.mark.parametrize("key", ["", "{}", "[]", '{"type":"service_account","private_key":"x"}'])
def test_a_bad_key_is_refused_at_start(key: str) -> None:
    with pytest.raises(CredentialError, match="is not the JSON key"):
        TokenCredential(Secret(key), None, utc)


def test_waiting_has_an_end() -> None:
    release = threading.Event()
    calls: list[int] = []

    def stuck() -> str:
        calls.append(1)
        assert release.wait(DEADLINE)
        return "late"

    async def main() -> None:
        renewal = Renewal(stuck, timeout=0.05)
        for _ in range(3):
            with pytest.raises(UpstreamFailed) as caught:
                await renewal.wait()
            assert caught.value.timeout
        release.set()
        assert await renewal.start() == "late"
        assert len(calls) == 1

    asyncio.run(main())


# --- AWS ------------------------------------------------------------------------------------------

AWS_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


@pytest.fixture
def no_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without AWS keys; the folder of its credential files."""
    for name in AWS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path


def signed_by(signature: AwsSignature) -> str:
    """The id of the key that signs."""

    async def main() -> UpstreamRequest:
        return await SignedCredential(signature, {}).apply(request())

    return headers(asyncio.run(main()))["authorization"].partition("Credential=")[2].split("/")[0]


def test_keys_of_a_profile(no_aws: Path) -> None:
    (no_aws / "credentials").write_text(
        "[default]\naws_access_key_id = A\naws_secret_access_key = a\n"
        "[prod]\naws_access_key_id = B\naws_secret_access_key = b\n"
    )
    assert signed_by(AwsSignature(region="us-east-1")) == "A"
    assert signed_by(AwsSignature(region="us-east-1", profile="prod")) == "B"
    with pytest.raises(UpstreamFailed, match="ProfileNotFound"):
        signed_by(AwsSignature(region="us-east-1", profile="none"))


def test_keys_of_the_environment(no_aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "E")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "e")
    assert signed_by(AwsSignature(region="us-east-1")) == "E"


def test_no_keys_at_all(no_aws: Path) -> None:
    with pytest.raises(UpstreamFailed, match="no AWS credentials"):
        signed_by(AwsSignature(region="us-east-1"))


def test_temporary_keys_are_renewed(
    serve: Serve,
    first: FaultServer,
    second: FaultServer,
    no_aws: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A container's role: keys for an hour are asked for once, keys that end soon each time."""
    lifetime = [timedelta(hours=1)]
    count = iter(range(1, 100))

    async def role(peer: Peer) -> None:
        assert peer.request.headers["authorization"] == "Bearer container"
        until = datetime.now(UTC) + lifetime[0]
        number = next(count)
        keys = {
            "AccessKeyId": f"ASIA{number}",
            "SecretAccessKey": f"secret{number}",
            "Token": f"token{number}",
            "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        await peer.answer(200, json.dumps(keys).encode())

    first.script, second.script = role, amazon()
    uri = f"http://127.0.0.1:{first.port}/credentials"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer container")
    credential = {"type": "aws", "region": "us-east-1"}
    for different in (1, 3):
        gateway = serve(served(second, type="bedrock-converse", credential=credential))
        numbers = []
        for _ in range(3):
            assert gateway.ask(model="m").status == 200
            signed = Signed(second.requests[-1])
            numbers.append(signed.id.removeprefix("ASIA"))
            assert signed.by(f"secret{numbers[-1]}")
            assert second.requests[-1].headers["x-amz-security-token"] == f"token{numbers[-1]}"
        assert len(set(numbers)) == different
        lifetime[0] = timedelta(minutes=5)


def test_secrets_stand_in_no_repr() -> None:
    references = {name: SecretRef(env=name) for name in ("ID", "SECRET")}
    signature = AwsSignature(
        region="r", access_key_id=references["ID"], secret_access_key=references["SECRET"]
    )
    secrets = {ref: Secret(SECRETS[name]) for name, ref in references.items()}
    credential = SignedCredential(signature, secrets)

    async def main() -> UpstreamRequest:
        return await credential.apply(request())

    assert SECRETS["SECRET"] not in repr(credential) + repr(asyncio.run(main())) + repr(signature)


# --- extras ---------------------------------------------------------------------------------------

_START = """
import sys
from pathlib import Path
from plexus.gateway.loader import load
from plexus.gateway.server import CannotServe, make_services
for name in sys.argv[2:]:
    sys.modules[name] = None
try:
    make_services(load(Path(sys.argv[1])), {"K": "k"})
except CannotServe as problem:
    print(problem)
else:
    print(*sorted(name for name in sys.modules if name.split(".")[0] in ("botocore", "google")))
"""


def start(config: dict[str, Any], folder: Path, *missing: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _START, str(compiled(config, folder)), *missing],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("kind", "package", "extra"),
    [("aws", "botocore", "bedrock"), ("google", "google", "vertex")],
)
def test_a_missing_library_is_named(
    first: FaultServer, tmp_path: Path, kind: str, package: str, extra: str
) -> None:
    credential = {"type": kind, **({"region": "us-east-1"} if kind == "aws" else {})}
    config = served(first, type="bedrock-converse", credential=credential)
    said = start(config, tmp_path, package)
    assert f"pip install 'plexus-gateway[{extra}]'" in said
    assert "'cloud'" in said


def test_no_library_is_imported_unasked(first: FaultServer, tmp_path: Path) -> None:
    """A Bedrock API key is a plain header."""
    config = served(first, type="bedrock-converse", api_key={"env": "K"})
    config["providers"]["echo"] = {"type": "echo"}
    assert start(config, tmp_path) == ""
