"""A bare Falcon route that answers by itself: what server and framework alone cost.

Streams go by the mock's convention: ``mock-NxD`` is N chunks, D microseconds apart.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator

import falcon.asgi

ANSWER = (
    b'{"id":"chatcmpl-bench0001","object":"chat.completion","created":1760000000,"model":"mock",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"The gateway relayed this '
    b"answer. It is long enough to stand for an ordinary short reply, and short enough that the "
    b"cost of moving it is small beside the cost of handling one request. Nothing in it matters."
    b'","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":42,'
    b'"completion_tokens":46,"total_tokens":88},"system_fingerprint":"fp_bench"}'
)
CHUNK = (
    b'data: {"id":"chatcmpl-bench0001","object":"chat.completion.chunk","created":1760000000,'
    b'"model":"mock","system_fingerprint":"fp_bench","choices":[{"index":0,"delta":%b,'
    b'"logprobs":null,"finish_reason":%b}]}\n\n'
)
_MODEL = re.compile(rb'"model":"mock-(\d+)x(\d+)"')


async def stream(chunks: int, pause_s: float) -> AsyncIterator[bytes]:
    yield CHUNK % (b'{"role":"assistant","content":""}', b"null")
    due = time.monotonic()
    for _ in range(chunks):
        # The driver reads the clock in the token: it shows how long the token was on its way.
        yield CHUNK % (b'{"content":" token-@%016d"}' % time.monotonic_ns(), b"null")
        if pause_s:
            due += pause_s
            await asyncio.sleep(max(due - time.monotonic(), 0))
    yield CHUNK % (b"{}", b'"stop"') + b"data: [DONE]\n\n"


class Route:
    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        body = await req.stream.readall()
        asked = _MODEL.search(body)
        if asked is not None and b'"stream":true' in body:
            resp.content_type = "text/event-stream"
            resp.stream = stream(int(asked[1]), int(asked[2]) / 1e6)
            return
        resp.data = ANSWER
        resp.content_type = "application/json"


app = falcon.asgi.App()
app.add_route("/v1/chat/completions", Route())
