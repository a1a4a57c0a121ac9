"""What is asked of every gateway, and the request bodies it is asked with."""

from typing import NamedTuple

CHAT, MESSAGES, RESPONSES, GEMINI = DIALECTS = ("chat", "messages", "responses", "gemini")
PATHS = {
    CHAT: "/v1/chat/completions",
    MESSAGES: "/v1/messages",
    RESPONSES: "/v1/responses",
}

MODELS = ("mock-100x0", "mock-100x2000", "mock-100x20000")
"""The mock's own convention, ``mock-NxD``: N chunks, D microseconds apart."""

CHUNKS = 100
_LONG = 'The quick brown fox jumps over the lazy dog and keeps on running, \\"quoted\\" or not. '


class Scenario(NamedTuple):
    """Client dialect, provider dialect, model, connections, bytes of the prompt.

    ``alone``: only Plexus is asked; no other gateway here translates so many dialects.
    """

    client: str
    provider: str
    stream: bool
    model: str
    connections: int
    size: int = 0
    alone: bool = False

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


def crossing(client: str, provider: str, paced: bool) -> str:
    """The name of a scenario of the matrix."""
    return f"{client}2{provider}_{'paced' if paced else 'json'}"


MATRIX = {
    crossing(client, provider, paced): Scenario(
        client,
        provider,
        paced,
        "mock-100x20000" if paced else "mock-100x0",
        32 if paced else 64,
        alone=True,
    )
    for paced in (False, True)
    for client in DIALECTS
    for provider in DIALECTS
}
"""Every client dialect at every provider dialect: what translation costs beside passing through."""
SCENARIOS |= MATRIX


def request_path(dialect: str, model: str, stream: bool) -> str:
    """Gemini's address says the model, and whether the answer is a stream."""
    if dialect == GEMINI:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{model}:{verb}"
    return PATHS[dialect]


def request_body(dialect: str, model: str, stream: bool, size: int) -> str:
    """Three turns in the dialect; ``size`` bytes long when it is not 0."""
    text = "hello there, please answer in a sentence or two"
    if size:
        text = (_LONG * (size // len(_LONG) + 1))[: size - 200].rstrip("\\")
    said = (
        ("user", "You are to be helpful and brief."),
        ("assistant", "Understood."),
        ("user", text),
    )
    streaming = ',"stream":true' if stream else ""
    if dialect == GEMINI:
        names = {"user": "user", "assistant": "model"}
        turns = (f'{{"role":"{names[who]}","parts":[{{"text":"{what}"}}]}}' for who, what in said)
        config = '"generationConfig":{"maxOutputTokens":64,"temperature":0.2}'
        return f'{{"contents":[{",".join(turns)}],{config}}}'
    turns = (f'{{"role":"{who}","content":"{what}"}}' for who, what in said)
    messages, limit = (
        ("input", "max_output_tokens") if dialect == RESPONSES else ("messages", "max_tokens")
    )
    return (
        f'{{"model":"{model}","{messages}":[{",".join(turns)}],'
        f'"{limit}":64,"temperature":0.2{streaming}}}'
    )
