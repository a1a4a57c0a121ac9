"""Who is asked, and who may ask: shares of ``random``, and client keys.  Each with its control."""

from __future__ import annotations

import re
from collections import Counter
from hashlib import sha256
from math import sqrt
from typing import Any

import pytest

from tests.faults.server import FaultServer, Peer
from tests.gateway import wire
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import CHAT, ENVIRONMENT, MESSAGES, Answer, Gateway, Json

DRAWS = 10_000


async def hello(peer: Peer) -> None:
    await peer.answer(200, wire.chat("hello"))


# --- random ---------------------------------------------------------------------------------------


def weighted(first: FaultServer, second: FaultServer) -> Json:
    """``m``: 1 to 2.  ``even``: without weights."""
    config = two(provider(first), provider(second))
    targets = [{"provider": "first", "model": "m"}, {"provider": "second", "model": "m"}]
    config["aliases"]["m"] = {"targets": [{**targets[0], "weight": 1}, {**targets[1], "weight": 2}]}
    config["aliases"]["even"] = {"targets": targets}
    return config


def drawn(served: Gateway, alias: str, count: int) -> Counter[str]:
    """How often each target came first, drawn by the running gateway's own generated resource."""
    services = served.services
    entry = services.router.find(alias, lambda name: True)

    def draw() -> Counter[str]:
        resource = services.resource(entry)
        return Counter(resource.order()[0].name for _ in range(count))

    found: Counter[str] = served.run(draw)
    return found


def within(count: int, of: int, share: float) -> bool:
    """Whether ``count`` is within three standard deviations of its expectation."""
    return abs(count - of * share) <= 3 * sqrt(of * share * (1 - share))


def test_random_keeps_the_weights(
    serve: Serve, first: FaultServer, second: FaultServer, long: bool
) -> None:
    """10,000 drawn in the gateway's loop, and a number through the socket (10,000 with ``long``).

    The seed is fixed: one seed in 370 lies outside three standard deviations.
    """
    first.script = second.script = hello
    served = serve(weighted(first, second), seed=7)
    count = drawn(served, "m", DRAWS)
    print(f"random 1:2, {DRAWS:,} drawn: {dict(count)}")
    assert count.keys() == {"first/m", "second/m"}
    assert within(count["first/m"], DRAWS, 1 / 3)
    asked = DRAWS if long else 300
    with served.session() as session:
        for _ in range(asked):
            assert session.ask(CHAT, {"model": "m", "messages": []}).status == 200
    shares = len(first.requests), len(second.requests)
    print(f"random 1:2, {asked:,} through a socket: {shares}")
    assert sum(shares) == asked
    assert within(shares[0], asked, 1 / 3)
    # The control: shares without weights are even, and that is not within the bounds of 1:2.
    even = drawn(served, "even", DRAWS)
    assert within(even["first/m"], DRAWS, 1 / 2)
    assert not within(even["first/m"], DRAWS, 1 / 3)


# --- keys -----------------------------------------------------------------------------------------

NOW = 1_800_000_000.0
"""2027-01-15."""
SECRETS = {
    "APP_KEY": "plx-app-0123456789abcdef",
    "ALL_KEY": "plx-all-0123456789abcdef",
    "OLD_KEY": "plx-old-0123456789abcdef",
}
DIGESTED = "plx-digest-0123456789abcdef"
DENIED, UNKNOWN = "hidden", "absent"
FORMS: dict[str, Any] = {
    "bearer": lambda secret: {"authorization": f"Bearer {secret}"},
    "x-api-key": lambda secret: {"x-api-key": secret},
    "api-key": lambda secret: {"api-key": secret},
}


def guarded(first: FaultServer) -> Json:
    """``m`` for everybody, ``hidden`` not for the key ``app``."""
    config = two(provider(first), provider(first))
    config["aliases"][DENIED] = {"targets": ["second/m"], "additional_aliases": ["hidden-too"]}
    config["keys"] = {
        "app": {"secret": {"env": "APP_KEY"}, "aliases": ["m"]},
        "all": {"secret": {"env": "ALL_KEY"}},
        "old": {"secret": {"env": "OLD_KEY"}, "expires": "2027-01-01T00:00:00Z"},
        "digested": {"sha256": sha256(DIGESTED.encode()).hexdigest(), "aliases": ["m"]},
    }
    return config


def keyed(serve: Serve, first: FaultServer, now: float = NOW) -> Gateway:
    first.script = hello
    return serve(guarded(first), environment={**ENVIRONMENT, **SECRETS}, clock=lambda: now)


def looks(answer: Answer, name: str) -> tuple[int, dict[str, str], str]:
    """An answer without what differs from one request to the next and without the model's name."""
    volatile = {"date", "x-request-id", "request-id", "x-plexus-overhead-ms"}
    headers = {key: value for key, value in answer.headers.items() if key not in volatile}
    body = answer.body.decode().replace(answer.headers["request-id"], "ID")
    return answer.status, headers, body.replace(name, "NAME")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_keys_that_are_allowed(serve: Serve, first: FaultServer, path: str, form: str) -> None:
    served = keyed(serve, first)
    allowed = {**SECRETS, "DIGESTED": DIGESTED}
    del allowed["OLD_KEY"]
    for secret in allowed.values():
        answer = served.ask(path, model="m", headers=FORMS[form](secret))
        assert answer.status == 200, answer.body
    lines = served.sink.wait_requests(3)
    assert [line["key"] for line in lines] == ["app", "all", "digested"]
    # No client's key goes to a provider (G7), and none is logged (G9).
    for request in first.requests:
        assert ENVIRONMENT["UPSTREAM_KEY"] in request.headers["authorization"]
        assert "plx-" not in repr(request)
    assert "plx-" not in repr(served.sink.lines)


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_forbidden_alias_looks_like_an_unknown_one(
    serve: Serve, first: FaultServer, path: str
) -> None:
    """G2: the very same answer, wherever the name is said."""
    served = keyed(serve, first)
    own = FORMS["x-api-key" if path == MESSAGES else "bearer"](SECRETS["APP_KEY"])
    denied = served.ask(path, model=DENIED, headers=own)
    assert denied.status == 404
    assert DENIED not in denied.error["message"].replace(f"'{DENIED}'", "")
    assert looks(denied, DENIED) == looks(served.ask(path, model=UNKNOWN, headers=own), UNKNOWN)
    for place in ("/v1/models/{}", "/aliases/{}/v1/models"):
        there, not_there = (
            looks(served.ask(place.format(name), headers=own), name) for name in (DENIED, UNKNOWN)
        )
        assert there == not_there
        assert there[0] == 404
    pinned = [
        looks(served.ask(f"/aliases/{name}{path}", model="m", headers=own), name)
        for name in (DENIED, UNKNOWN)
    ]
    assert pinned[0] == pinned[1]
    assert served.ask(path, model="hidden-too", headers=own).status == 404
    assert served.ask(f"/targets/second/m{path}", model="m", headers=own).status == 404
    assert not first.requests
    listed = served.ask("/v1/models", headers=own).json["data"]
    assert [model["id"] for model in listed] == ["m"]
    # The control: a key for everything finds them.
    every = FORMS["bearer"](SECRETS["ALL_KEY"])
    for name in (DENIED, "hidden-too"):
        assert served.ask(path, model=name, headers=every).status == 200
        assert served.ask(f"/v1/models/{name}", headers=every).status == 200
    assert served.ask(f"/aliases/{DENIED}{path}", model="m", headers=every).status == 200


UNWELCOME = {
    "absent": None,
    "empty": "",
    "expired": SECRETS["OLD_KEY"],
    "unknown": "plx-app-0123456789abcdee",
    "prefix": SECRETS["APP_KEY"][:-1],
    "longer": SECRETS["APP_KEY"] + "0",
    "other case": SECRETS["APP_KEY"].upper(),
    "name": "app",
    "digest": sha256(DIGESTED.encode()).hexdigest(),
    "variable": "APP_KEY",
    "huge": "k" * 10_000,
}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_keys_that_are_not_allowed(serve: Serve, first: FaultServer, path: str) -> None:
    """Expired, absent and unknown look the same, and nothing is called."""
    served = keyed(serve, first)
    seen = set()
    for secret in UNWELCOME.values():
        for form in FORMS.values():
            own = {} if secret is None else form(secret)
            for model in ("m", DENIED, UNKNOWN):
                answer = served.ask(path, model=model, headers=own)
                assert answer.status == 401
                seen.add(repr(looks(answer, "(no name is said)")))
    assert len(seen) == 1
    kind = "invalid_api_key" if path == CHAT else "authentication_error"
    assert kind in seen.pop()
    for place in ("/v1/models", "/v1/models/m", "/health", "/aliases/m/v1/models"):
        assert served.ask(place).status == 401
    for place in (f"/aliases/m{path}", f"/targets/first/m{path}"):
        assert served.ask(place, model="m").status == 401
    assert not first.requests
    # The controls: the key was good before it expired; probes are open.
    before = keyed(serve, first, now=NOW - 30 * 86400)
    own = FORMS["bearer"](SECRETS["OLD_KEY"])
    assert before.ask(path, model="m", headers=own).status == 200
    assert served.ask("/livez").status == served.ask("/readyz").status == 200


def test_a_key_expires_at_its_second(serve: Serve, first: FaultServer) -> None:
    expiry = 1798761600.0
    own = FORMS["bearer"](SECRETS["OLD_KEY"])
    assert keyed(serve, first, now=expiry - 0.001).ask(model="m", headers=own).status == 200
    assert keyed(serve, first, now=expiry).ask(model="m", headers=own).status == 401


def test_a_key_in_the_address_counts_for_gemini_alone(serve: Serve, first: FaultServer) -> None:
    """G4; and it is not logged."""
    served = keyed(serve, first)
    for name in ("key", "api_key", "api-key"):
        secret = SECRETS["ALL_KEY"]
        assert served.ask(f"{CHAT}?{name}={secret}", model="m").status == 401
    assert served.ask(f"/v1beta/models?key={secret}").status == 200
    served.sink.wait_requests(4)
    assert not re.search("plx-", repr(served.sink.lines))
