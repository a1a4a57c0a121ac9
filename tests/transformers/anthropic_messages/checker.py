"""A strict reader of a Messages stream: what the official SDKs assume, and no less."""

import json
from collections.abc import Iterable
from typing import Any

from plexus.streaming.framing import Frame

_FITS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
}


class StreamProblem(AssertionError):
    """The stream breaks a rule of streaming.md §6."""


def check_stream(frames: Iterable[Frame], *, cut: bool = False) -> list[dict[str, Any]]:
    """The blocks as an SDK accumulates them.

    Raises StreamProblem.  ``cut``: the answer ended at its limit, so input may be half-written.
    """
    checker = _Checker(cut)
    for frame in frames:
        checker.read(frame)
    checker.end()
    return checker.blocks


class _Checker:
    def __init__(self, cut: bool) -> None:
        self.blocks: list[dict[str, Any]] = []
        self._cut = cut
        self._open = False
        self._json = ""
        self._signed = False
        self._state = "new"

    def read(self, frame: Frame) -> None:
        need(b"\n" not in frame.data and b"\r" not in frame.data, "data of more than one line")
        event = json.loads(frame.data)
        need(frame.event == event["type"], "the name of the event is not its type")
        if event["type"] == "ping":
            return
        need(self._state != "stopped", f"{event['type']} after the end")
        read = getattr(self, f"_{event['type']}", None)
        if read is None:
            raise StreamProblem(f"unknown event {event['type']}")
        read(event)

    def end(self) -> None:
        need(self._state == "stopped", f"the stream ends in state {self._state}")

    def _message_start(self, event: dict[str, Any]) -> None:
        need(self._state == "new", "second message_start")
        self._state = "open"
        message = event["message"]
        need(message["content"] == [] and message["stop_reason"] is None, "content at the start")
        need(message["role"] == "assistant" and message["id"].startswith("msg_"), "no message")
        usage = message["usage"]
        need(isinstance(usage["input_tokens"], int), "no input_tokens")
        need(isinstance(usage["output_tokens"], int), "no output_tokens")

    def _content_block_start(self, event: dict[str, Any]) -> None:
        need(self._state == "open", f"block in state {self._state}")
        need(not self._open, "block opened while another is open")
        need(event["index"] == len(self.blocks), "indexes are not dense")
        block = dict(event["content_block"])
        if block["type"] == "tool_use":
            need(block["id"] and block["name"] and block["input"] == {}, "tool_use start")
        if block["type"] == "text":
            need(block["text"] == "", "text in a start")
        self._open, self._json, self._signed = True, "", False
        self.blocks.append(block)

    def _content_block_delta(self, event: dict[str, Any]) -> None:
        need(self._open and event["index"] == len(self.blocks) - 1, "delta of a closed block")
        block, delta = self.blocks[-1], event["delta"]
        need(delta["type"] in _FITS.get(block["type"], ()), f"{delta['type']} in {block['type']}")
        match delta["type"]:
            case "text_delta":
                need(delta["text"], "empty text delta")
                block["text"] += delta["text"]
            case "thinking_delta":
                need(not self._signed, "thinking behind its signature")
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                need(not self._signed, "second signature")
                self._signed = True
                block["signature"] = delta["signature"]
            case "citations_delta":
                block.setdefault("citations", []).append(delta["citation"])
            case _:
                self._json += delta["partial_json"]

    def _content_block_stop(self, event: dict[str, Any]) -> None:
        need(self._open and event["index"] == len(self.blocks) - 1, "stop of a closed block")
        self._open = False
        block = self.blocks[-1]
        if block["type"] == "text":
            need(block["text"], "empty text block")
        if block["type"] == "thinking":
            need(self._signed, "thinking without signature")
        if self._json:
            block["input"] = self._input()

    def _input(self) -> Any:
        try:
            value = json.loads(self._json)
        except ValueError:
            need(self._cut, "tool input is not JSON")
            return {}
        need(isinstance(value, dict), "tool input is no object")
        return value

    def _message_delta(self, event: dict[str, Any]) -> None:
        need(self._state == "open" and not self._open, "message_delta too early")
        self._state = "delta"
        need(event["delta"]["stop_reason"], "no stop_reason")
        need(isinstance(event["usage"]["output_tokens"], int), "no usage")

    def _message_stop(self, event: dict[str, Any]) -> None:
        need(self._state == "delta", "message_stop before message_delta")
        self._state = "stopped"


def need(condition: object, problem: str) -> None:
    if not condition:
        raise StreamProblem(problem)
