"""How little a Falcon gateway over httpx2 can cost: what Plexus' own figures are divided by.

``UPSTREAM=port uvicorn ceiling:app``.  Four straight-line routes, text only; no keys, no timeouts,
no failover, no records, no checks: a yardstick and not a gateway.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import falcon.asgi
import httpx2
import msgspec
from convert import (
    Feed,
    chat_answer_to_messages,
    chat_stream_to_messages,
    chat_to_messages,
    messages_answer_to_chat,
    messages_stream_to_chat,
    messages_to_chat,
)

BASE = f"http://127.0.0.1:{os.environ['UPSTREAM']}"
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
HEAD = {
    "content-type": "application/json",
    "authorization": "Bearer k",
    "accept-encoding": "identity",
}
MODELS = ("mock-100x0", "mock-100x2000", "mock-100x20000")

Plan = tuple[
    str,
    Callable[[bytes, str], bytes] | None,
    Callable[[bytes], bytes] | None,
    Callable[[], Feed] | None,
]
PLANS: dict[tuple[str, str], Plan] = {
    (CHAT, ""): (CHAT, None, None, None),
    (MESSAGES, ""): (MESSAGES, None, None, None),
    (CHAT, "an-"): (MESSAGES, chat_to_messages, messages_answer_to_chat, messages_stream_to_chat),
    (MESSAGES, "oa-"): (CHAT, messages_to_chat, chat_answer_to_messages, chat_stream_to_messages),
}
ROUTES = {
    path: {
        prefix + model: (plan, model)
        for (place, prefix), plan in PLANS.items()
        if place == path
        for model in MODELS
    }
    for path in (CHAT, MESSAGES)
}


class Peek(msgspec.Struct):
    """What a route must know of a body."""

    model: str
    stream: bool = False


peek = msgspec.json.Decoder(Peek).decode
client = httpx2.AsyncClient(
    base_url=BASE,
    timeout=600,
    trust_env=False,
    limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
)


async def fetch(
    path: str, body: bytes, queue: asyncio.Queue[tuple[int, str] | bytes | None]
) -> None:
    async with client.stream("POST", path, content=body, headers=HEAD) as answer:
        await queue.put((answer.status_code, answer.headers.get("content-type", "")))
        async for data in answer.aiter_raw():
            await queue.put(data)
    await queue.put(None)


async def relay(
    path: str, body: bytes, feed: Feed | None
) -> AsyncIterator[tuple[int, str] | bytes]:
    """Status and content type first, then the body as it comes."""
    queue: asyncio.Queue[tuple[int, str] | bytes | None] = asyncio.Queue(1)
    task = asyncio.get_running_loop().create_task(fetch(path, body, queue))
    try:
        while (item := await queue.get()) is not None:
            yield feed(item) if feed is not None and isinstance(item, bytes) else item
    finally:
        task.cancel()


class Route:
    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        body = await req.stream.readall()
        asked = peek(body)
        (path, to_provider, to_client, stream), model = ROUTES[req.path][asked.model]
        if to_provider is not None:
            body = to_provider(body, model)
        if asked.stream:
            items = relay(path, body, stream() if stream is not None else None)
            resp.status, resp.content_type = await anext(items)
            resp.stream = items
            return
        answer = await client.post(path, content=body, headers=HEAD)
        resp.status = answer.status_code
        resp.content_type = answer.headers.get("content-type")
        good = to_client is not None and answer.status_code == 200
        resp.data = to_client(answer.content) if good else answer.content


app = falcon.asgi.App()
for route in ROUTES:
    app.add_route(route, Route())
