"""A bare Falcon route that answers a fixed body: what server and framework alone cost."""

import falcon.asgi

ANSWER = (
    b'{"id":"chatcmpl-bench0001","object":"chat.completion","created":1760000000,"model":"mock",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"The gateway relayed this '
    b"answer. It is long enough to stand for an ordinary short reply, and short enough that the "
    b"cost of moving it is small beside the cost of handling one request. Nothing in it matters."
    b'","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":42,'
    b'"completion_tokens":46,"total_tokens":88},"system_fingerprint":"fp_bench"}'
)


class Route:
    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        await req.stream.readall()
        resp.data = ANSWER
        resp.content_type = "application/json"


app = falcon.asgi.App()
app.add_route("/v1/chat/completions", Route())
