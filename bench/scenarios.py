"""What is asked of every gateway, and the request bodies it is asked with."""

from typing import NamedTuple

CHAT, MESSAGES = "chat", "messages"
PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages"}

MODELS = ("mock-100x0", "mock-100x2000", "mock-100x20000")
"""The mock's own convention, ``mock-NxD``: N chunks, D microseconds apart."""

CHUNKS = 100
_LONG = 'The quick brown fox jumps over the lazy dog and keeps on running, \\"quoted\\" or not. '


class Scenario(NamedTuple):
    """Client dialect, provider dialect, model, bytes of the prompt, connections."""

    client: str
    provider: str
    stream: bool
    model: str
    connections: int
    size: int = 0

    @property
    def paced(self) -> bool:
        return self.stream and not self.model.endswith("x0")

    @property
    def unit(self) -> str:
        return "chunk" if self.stream else "request"


SCENARIOS = {
    "chat_c1": Scenario(CHAT, CHAT, False, "mock-100x0", 1),
    "chat_c64": Scenario(CHAT, CHAT, False, "mock-100x0", 64),
    "long_c16": Scenario(CHAT, CHAT, False, "mock-100x0", 16, 100_000),
    "paced_c32": Scenario(CHAT, CHAT, True, "mock-100x20000", 32),
    "burst_c32": Scenario(CHAT, CHAT, True, "mock-100x0", 32),
    "msg_c64": Scenario(MESSAGES, MESSAGES, False, "mock-100x0", 64),
    "chat2msg_c64": Scenario(CHAT, MESSAGES, False, "mock-100x0", 64),
    "msg2chat_c64": Scenario(MESSAGES, CHAT, False, "mock-100x0", 64),
    "chat2msg_paced": Scenario(CHAT, MESSAGES, True, "mock-100x20000", 32),
    "msg2chat_paced": Scenario(MESSAGES, CHAT, True, "mock-100x20000", 32),
}


def request_body(model: str, stream: bool, size: int) -> str:
    """A body that both dialects accept; ``size`` bytes long when it is not 0."""
    text = "hello there, please answer in a sentence or two"
    if size:
        text = (_LONG * (size // len(_LONG) + 1))[: size - 200].rstrip("\\")
    streaming = ',"stream":true' if stream else ""
    return (
        f'{{"model":"{model}","messages":['
        '{"role":"user","content":"You are to be helpful and brief."},'
        '{"role":"assistant","content":"Understood."},'
        f'{{"role":"user","content":"{text}"}}],'
        f'"max_tokens":64,"temperature":0.2{streaming}}}'
    )
