"""Straight-line conversions of text between the two dialects, for the ceiling only.

Typed, with contents as Raw: text, roles, ends and usage; no tools, images, thinking or errors.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

Feed = Callable[[bytes], bytes]

encode = msgspec.json.Encoder().encode
STOP = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "stop_sequence": "stop",
}
STOP_REASON = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


class Message(Struct):
    role: str
    content: Raw = Raw(b'""')


class ChatRequest(Struct, omit_defaults=True):
    model: str
    messages: list[Message]
    max_tokens: int = 4096
    temperature: float | None = None
    stream: bool = False


class MessagesRequest(Struct, omit_defaults=True):
    model: str
    max_tokens: int
    messages: list[Message]
    system: Raw | None = None
    temperature: float | None = None
    stream: bool = False


class MessagesIn(Struct):
    model: str
    messages: list[Message]
    max_tokens: int = 4096
    system: Raw = Raw(b"")
    temperature: float | None = None
    stream: bool = False


class Block(Struct):
    type: str
    text: str = ""


class MessagesUsage(Struct):
    input_tokens: int = 0
    output_tokens: int = 0


class MessagesAnswer(Struct):
    id: str
    model: str
    content: list[Block]
    stop_reason: str | None
    usage: MessagesUsage


class MessagesDelta(Struct):
    type: str = ""
    text: Raw = Raw(b'""')
    stop_reason: str | None = None


class MessagesEvent(Struct):
    type: str
    delta: MessagesDelta | None = None


class AnswerMessage(Struct):
    content: str | None = None


class AnswerChoice(Struct):
    message: AnswerMessage
    finish_reason: str | None = None


class ChatUsage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ChatAnswer(Struct):
    id: str
    model: str
    choices: list[AnswerChoice]
    usage: ChatUsage


class ChunkDelta(Struct):
    content: Raw = Raw(b"null")


class ChunkChoice(Struct):
    delta: ChunkDelta
    finish_reason: str | None = None


class ChatChunk(Struct):
    choices: list[ChunkChoice] = []
    usage: ChatUsage | None = None


chat_request = msgspec.json.Decoder(ChatRequest).decode
messages_in = msgspec.json.Decoder(MessagesIn).decode
messages_answer = msgspec.json.Decoder(MessagesAnswer).decode
messages_event = msgspec.json.Decoder(MessagesEvent).decode
chat_answer = msgspec.json.Decoder(ChatAnswer).decode
chat_chunk = msgspec.json.Decoder(ChatChunk).decode


def chat_to_messages(body: bytes, model: str) -> bytes:
    asked = chat_request(body)
    system = None
    messages = []
    for message in asked.messages:
        if message.role == "system":
            system = message.content
        else:
            messages.append(message)
    return encode(
        MessagesRequest(model, asked.max_tokens, messages, system, asked.temperature, asked.stream)
    )


def messages_answer_to_chat(body: bytes) -> bytes:
    answer = messages_answer(body)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join([block.text for block in answer.content if block.type == "text"]),
    }
    finish = STOP.get(answer.stop_reason or "")
    seen = answer.usage
    return encode(
        {
            "id": answer.id,
            "object": "chat.completion",
            "created": 1760000000,
            "model": answer.model,
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
            ],
            "usage": {
                "prompt_tokens": seen.input_tokens,
                "completion_tokens": seen.output_tokens,
                "total_tokens": seen.input_tokens + seen.output_tokens,
            },
        }
    )


_CHUNK = (
    b'data: {"id":"msg_bench0001","object":"chat.completion.chunk","created":1760000000,'
    b'"model":"mock","choices":[{"index":0,"delta":{'
)
_CHUNK_END = b'},"logprobs":null,"finish_reason":null}]}\n\n'


def messages_stream_to_chat() -> Feed:
    rest = b""

    def feed(data: bytes) -> bytes:
        nonlocal rest
        if rest:
            data = rest + data
        *events, rest = data.split(b"\n\n")
        out: list[bytes] = []
        for event in events:
            at = event.find(b"data:")
            if at < 0:
                continue
            seen = messages_event(event[at + 5 :])
            if seen.type == "content_block_delta" and seen.delta is not None:
                out += (_CHUNK, b'"content":', bytes(seen.delta.text), _CHUNK_END)
            elif seen.type == "message_start":
                out += (_CHUNK, b'"role":"assistant","content":""', _CHUNK_END)
            elif seen.type == "message_delta" and seen.delta is not None:
                finish = STOP.get(seen.delta.stop_reason or "", "stop").encode()
                out += (_CHUNK, b'},"finish_reason":"%b"}]}\n\n' % finish)
            elif seen.type == "message_stop":
                out.append(b"data: [DONE]\n\n")
        return b"".join(out)

    return feed


def messages_to_chat(body: bytes, model: str) -> bytes:
    asked = messages_in(body)
    messages = list(asked.messages)
    if bytes(asked.system):
        messages.insert(0, Message("system", asked.system))
    return encode(ChatRequest(model, messages, asked.max_tokens, asked.temperature, asked.stream))


def chat_answer_to_messages(body: bytes) -> bytes:
    answer = chat_answer(body)
    choice = answer.choices[0]
    return encode(
        {
            "id": answer.id,
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": [{"type": "text", "text": choice.message.content}],
            "stop_reason": STOP_REASON.get(choice.finish_reason or ""),
            "stop_sequence": None,
            "usage": {
                "input_tokens": answer.usage.prompt_tokens,
                "output_tokens": answer.usage.completion_tokens,
            },
        }
    )


_MESSAGE_START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
    b'"role":"assistant","model":"mock","content":[],"stop_reason":null,"stop_sequence":null,'
    b'"usage":{"input_tokens":0,"output_tokens":0}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
_TEXT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":'
)
_MESSAGE_END = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"%b"},'
    b'"usage":{"output_tokens":1}}\n\n'
)


def chat_stream_to_messages() -> Feed:
    rest, started = b"", False

    def feed(data: bytes) -> bytes:
        nonlocal rest, started
        if rest:
            data = rest + data
        *events, rest = data.split(b"\n\n")
        out: list[bytes] = []
        if not started:
            started = True
            out.append(_MESSAGE_START)
        for event in events:
            payload = event[6:]
            if payload == b"[DONE]":
                out.append(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
                continue
            choice = chat_chunk(payload).choices[0]
            text = bytes(choice.delta.content)
            if text not in (b"null", b'""'):
                out += (_TEXT, text, b"}}\n\n")
            if choice.finish_reason:
                reason = STOP_REASON.get(choice.finish_reason, "end_turn").encode()
                out.append(_MESSAGE_END % reason)
        return b"".join(out)

    return feed
