"""Four providers that think, call two tools at once, and look at every turn that comes back.

Each refuses what the real API refuses, in its words: a proof that is not the one it issued, or that
stands elsewhere; thinking that is missing where it must be; calls without results, results without
calls.  What the real API lets pass although something is missing is noted as ``lacking``.

A provider keeps nothing: what it issued follows from the question and the step.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from tests.faults.server import Peer
from tests.gateway.wire import DONE, event, gemini_event

Json = dict[str, Any]
STEPS = 2
"""How often a model calls tools before it answers."""
SENTINEL = "skip_thought_signature_validator"
CITIES = ("Oslo", "Bergen")
SAID = "Let me look."
ANSWER = "It rains."


class Refused(Exception):
    """The real API's 400; the text is its message."""


def proof(dialect: str, question: str, step: int) -> str:
    digest = sha256(f"{dialect} {question} {step}".encode()).digest() * 3
    return base64.b64encode(digest).decode()


def thought(question: str, step: int) -> str:
    return f"They ask {question!r}, and this is step {step}.\n"


def call_id(dialect: str, question: str, step: int, number: int) -> str:
    prefix = {"anthropic-messages": "toolu_01", "gemini": ""}.get(dialect, "call_")
    return prefix + sha256(f"{dialect} {question} {step} {number}".encode()).hexdigest()[:20]


def arguments(number: int) -> Json:
    return {"city": CITIES[number], "days": 1}


def pieces(text: str, count: int = 3) -> Iterator[str]:
    size = max(1, len(text) // count)
    for start in range(0, len(text), size):
        yield text[start : start + size]


class Provider:
    """One dialect.  ``seen``: for each question, what was found about each of its requests."""

    DIALECT = ""

    def __init__(self) -> None:
        self.seen: dict[str, list[str]] = {}
        self.bodies: dict[str, list[bytes]] = {}

    async def __call__(self, peer: Peer) -> None:
        body = json.loads(peer.request.body)
        question = self.question(body)
        notes = self.seen.setdefault(question, [])
        self.bodies.setdefault(question, []).append(peer.request.body)
        try:
            if b"plx1." in peer.request.body or b"cGx4MS5" in peer.request.body:
                raise Refused("an envelope came upstream")
            step, lacking = self.judge(body, question)
        except Refused as problem:
            notes.append(f"refused: {problem}")
            await peer.answer(400, self.error(str(problem)))
            return
        notes.append(f"lacking: {lacking}" if lacking else "whole")
        if self.streams(peer, body):
            await peer.stream(*self.stream(question, step))
        else:
            await peer.answer(200, json.dumps(self.answer(question, step)).encode())

    def streams(self, peer: Peer, body: Json) -> bool:
        return bool(body.get("stream"))

    def proof(self, question: str, step: int) -> str:
        return proof(self.DIALECT, question, step)

    def call_id(self, question: str, step: int, number: int) -> str:
        return call_id(self.DIALECT, question, step, number)

    def ids(self, question: str, step: int) -> list[str]:
        return [self.call_id(question, step, number) for number in range(len(CITIES))]

    def question(self, body: Json) -> str:
        raise NotImplementedError

    def judge(self, body: Json, question: str) -> tuple[int, str]:
        """The step that is due, and what is missing; raises Refused."""
        raise NotImplementedError

    def answer(self, question: str, step: int) -> Json:
        raise NotImplementedError

    def stream(self, question: str, step: int) -> list[bytes]:
        raise NotImplementedError

    def error(self, message: str) -> bytes:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        return json.dumps({"error": error}).encode()


def same(found: list[str], wanted: list[str], message: str) -> None:
    if found != wanted:
        raise Refused(f"{message} ({found} instead of {wanted})")


class DeepSeek(Provider):
    """``reasoning_content`` must stand beside the calls it led to (vendors.md §2)."""

    DIALECT = "openai-chat"

    def question(self, body: Json) -> str:
        found: str = next(m["content"] for m in body["messages"] if m["role"] == "user")
        return found

    def judge(self, body: Json, question: str) -> tuple[int, str]:
        step, lacking = 0, ""
        rest = [m for m in body["messages"] if m["role"] not in ("system", "user")]
        while rest:
            turn = rest.pop(0)
            ids = self.ids(question, step)
            same([call["id"] for call in turn["tool_calls"]], ids, "unknown tool calls")
            if "reasoning_content" not in turn:
                raise Refused("The reasoning_content in thinking mode must be passed back.")
            if turn["reasoning_content"] != thought(question, step):
                lacking += f"reasoning_content of step {step} "
            if turn["content"] != SAID:
                lacking += f"text of step {step} "
            results, rest = rest[: len(ids)], rest[len(ids) :]
            message = "An assistant message with 'tool_calls' must be followed by tool messages"
            same([result.get("tool_call_id") for result in results], ids, message)
            step += 1
        return step, lacking

    def _finish(self, step: int) -> str:
        return "tool_calls" if step < STEPS else "stop"

    def _call(self, question: str, step: int, number: int) -> Json:
        function = {"name": "weather", "arguments": json.dumps(arguments(number))}
        return {
            "id": self.call_id(question, step, number),
            "type": "function",
            "function": function,
        }

    def answer(self, question: str, step: int) -> Json:
        message: Json = {"role": "assistant", "content": ANSWER}
        if step < STEPS:
            calls = [self._call(question, step, number) for number in range(len(CITIES))]
            message = {"role": "assistant", "content": SAID, "tool_calls": calls}
            message["reasoning_content"] = thought(question, step)
        choice = {"index": 0, "message": message, "finish_reason": self._finish(step)}
        return {**self._head("chat.completion"), "choices": [choice]}

    def _head(self, kind: str) -> Json:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "deepseek-reasoner"}

    def stream(self, question: str, step: int) -> list[bytes]:
        deltas: list[Json] = [{"role": "assistant", "content": None, "reasoning_content": ""}]
        if step < STEPS:
            text = thought(question, step)
            deltas += [{"content": None, "reasoning_content": piece} for piece in pieces(text)]
            deltas += [{"content": piece, "reasoning_content": None} for piece in pieces(SAID)]
            for number in range(len(CITIES)):
                call = {"index": number, **self._call(question, step, number)}
                whole = call["function"]["arguments"]
                begun = {**call, "function": {"name": "weather", "arguments": ""}}
                deltas.append({"tool_calls": [begun]})
                for piece in pieces(whole):
                    more = {"index": number, "function": {"arguments": piece}}
                    deltas.append({"tool_calls": [more]})
        else:
            deltas += [{"content": piece} for piece in pieces(ANSWER)]
        ends: list[str | None] = [None] * len(deltas)
        return [
            b"data: %b\n\n"
            % json.dumps(
                {
                    **self._head("chat.completion.chunk"),
                    "choices": [{"index": 0, "delta": delta, "finish_reason": end}],
                }
            ).encode()
            for delta, end in zip([*deltas, {}], [*ends, self._finish(step)], strict=True)
        ] + [DONE]


class OpenRouter(DeepSeek):
    """``reasoning_details`` go back unmodified and in order (vendors.md §5)."""

    def details(self, question: str, step: int) -> list[Json]:
        kind = {"format": "anthropic-claude-v1", "index": 0}
        signature = self.proof(question, step)
        text = thought(question, step)
        return [{"type": "reasoning.text", "text": text, **kind, "signature": signature}]

    def judge(self, body: Json, question: str) -> tuple[int, str]:
        step, lacking = 0, ""
        for turn in body["messages"]:
            if turn["role"] == "assistant":
                if turn.get("reasoning_details") != self.details(question, step):
                    lacking += f"reasoning_details of step {step} "
                step += 1
        return step, lacking

    def answer(self, question: str, step: int) -> Json:
        answer = super().answer(question, step)
        message = answer["choices"][0]["message"]
        if message.pop("reasoning_content", None):
            message["reasoning"] = thought(question, step)
            message["reasoning_details"] = self.details(question, step)
        return answer

    def stream(self, question: str, step: int) -> list[bytes]:
        """Fragments of a thought are entries of one index; what is whole comes behind them."""
        out: list[bytes] = []
        for said in super().stream(question, step):
            if b"reasoning_content" in said:
                chunk = json.loads(said.removeprefix(b"data: "))
                delta = chunk["choices"][0]["delta"]
                text = delta.pop("reasoning_content")
                if text:
                    entry = {**self.details(question, step)[0], "text": text}
                    entry.pop("signature", None)
                    delta |= {"reasoning": text, "reasoning_details": [entry]}
                elif delta.get("content") == SAID[: len(SAID) // 3]:
                    begun, *rest = self.details(question, step)
                    end = [{**begun, "text": ""}] if "signature" in begun else []
                    delta["reasoning_details"] = [*end, *rest]
                said = b"data: %b\n\n" % json.dumps(chunk).encode()
            out.append(said)
        return out


class OpenRouterGemini(OpenRouter):
    """A signature of Gemini's is an entry with the id of its call."""

    def details(self, question: str, step: int) -> list[Json]:
        kind = {"format": "google-gemini-v1"}
        text = {"type": "reasoning.text", "text": thought(question, step), **kind, "index": 0}
        signature = {"type": "reasoning.encrypted", "data": self.proof(question, step), **kind}
        return [text, {**signature, "id": self.call_id(question, step, 0), "index": 1}]


class OpenAI(Provider):
    """Reasoning items before what they led to; ids only with them (openai-responses.md §2)."""

    DIALECT = "openai-responses"

    def question(self, body: Json) -> str:
        content = next(item for item in body["input"] if item.get("role") == "user")["content"]
        return content if isinstance(content, str) else content[0]["text"]

    def _rs(self, question: str, step: int) -> str:
        return "rs_" + sha256(f"{question} {step}".encode()).hexdigest()[:48]

    def judge(self, body: Json, question: str) -> tuple[int, str]:
        step, lacking = 0, ""
        rest = [item for item in body["input"] if item.get("role") not in ("user", "developer")]
        while rest:
            ids = self.ids(question, step)
            reasoned = rest[0].get("type") == "reasoning"
            if reasoned:
                self._reasoning(rest.pop(0), question, step)
            else:
                lacking += f"reasoning of step {step} "
            if rest and rest[0].get("role") == "assistant":
                rest.pop(0)
            else:
                lacking += f"text of step {step} "
            calls, rest = rest[: len(ids)], rest[len(ids) :]
            kinds = [call.get("type") for call in calls]
            following = "A 'reasoning' item was provided without its required following item"
            same(kinds, ["function_call"] * len(ids), following)
            same([call["call_id"] for call in calls], ids, "unknown function calls")
            for call in calls:
                if "id" in call and not call["id"].startswith("fc_"):
                    raise Refused("Expected an ID that begins with 'fc'.")
                if "id" in call and not reasoned:
                    raise Refused("'function_call' without its required 'reasoning' item")
            results, rest = rest[: len(ids)], rest[len(ids) :]
            found = [result.get("call_id", "") for result in results]
            same(found, ids, "No tool output found for function call")
            step += 1
        return step, lacking

    def _reasoning(self, item: Json, question: str, step: int) -> None:
        if item.get("encrypted_content") != self.proof(question, step):
            raise Refused("The encrypted content could not be verified.")
        if item.get("id", self._rs(question, step)) != self._rs(question, step):
            raise Refused("The encrypted content does not belong to this item.")
        if [part["text"] for part in item["summary"]] != [thought(question, step)]:
            raise Refused("The summary of a reasoning item cannot be modified.")

    def _output(self, question: str, step: int) -> list[Json]:
        part = {"type": "output_text", "annotations": [], "logprobs": []}
        message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
        if step >= STEPS:
            return [{**message, "content": [{**part, "text": ANSWER}]}]
        text = {"type": "summary_text", "text": thought(question, step)}
        secret = self.proof(question, step)
        return [
            {
                "type": "reasoning",
                "id": self._rs(question, step),
                "summary": [text],
                "encrypted_content": secret,
            },
            {**message, "id": f"msg_{step}0", "content": [{**part, "text": SAID}]},
            *(
                {
                    "type": "function_call",
                    "id": f"fc_{step}{number}",
                    "call_id": self.call_id(question, step, number),
                    "name": "weather",
                    "arguments": json.dumps(arguments(number)),
                    "status": "completed",
                }
                for number in range(len(CITIES))
            ),
        ]

    def answer(self, question: str, step: int) -> Json:
        return {
            "id": f"resp_{step}",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": "gpt-5.4",
            "output": self._output(question, step),
            "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        }

    def stream(self, question: str, step: int) -> list[bytes]:
        whole = self.answer(question, step)
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}
        events: list[Json] = [{"type": "response.created", "response": begun}]
        for place, item in enumerate(whole["output"]):
            at = {"output_index": place, "item_id": item["id"]}
            events += self._item(place, item, at)
        events.append({"type": "response.completed", "response": whole})
        return [event({**said, "sequence_number": n}) for n, said in enumerate(events)]

    def _item(self, place: int, item: Json, at: Json) -> Iterator[Json]:
        open_ = {"message": "content", "reasoning": "summary", "function_call": "arguments"}
        kind = item["type"]
        empty: str | list[Any] = "" if kind == "function_call" else []
        bare = {k: v for k, v in item.items() if k != "encrypted_content"}
        begun = {**bare, open_[kind]: empty}
        yield {"type": "response.output_item.added", "output_index": place, "item": begun}
        if kind == "function_call":
            for piece in pieces(item["arguments"]):
                yield {"type": "response.function_call_arguments.delta", "delta": piece, **at}
            done = {"type": "response.function_call_arguments.done", **at}
            yield {**done, "arguments": item["arguments"]}
        elif kind == "message":
            part, at = item["content"][0], {**at, "content_index": 0}
            yield {"type": "response.content_part.added", "part": {**part, "text": ""}, **at}
            for piece in pieces(part["text"]):
                yield {"type": "response.output_text.delta", "delta": piece, **at}
            yield {"type": "response.output_text.done", "text": part["text"], **at}
            yield {"type": "response.content_part.done", "part": part, **at}
        else:
            part, at = item["summary"][0], {**at, "summary_index": 0}
            added = {"type": "response.reasoning_summary_part.added", **at}
            yield {**added, "part": {**part, "text": ""}}
            for piece in pieces(part["text"]):
                yield {"type": "response.reasoning_summary_text.delta", "delta": piece, **at}
            yield {"type": "response.reasoning_summary_text.done", "text": part["text"], **at}
            yield {"type": "response.reasoning_summary_part.done", "part": part, **at}
        yield {"type": "response.output_item.done", "output_index": place, "item": item}


class Anthropic(Provider):
    """A turn with calls begins with its thinking, byte for byte (anthropic-messages.md §4)."""

    DIALECT = "anthropic-messages"

    def question(self, body: Json) -> str:
        content = body["messages"][0]["content"]
        return content if isinstance(content, str) else content[0]["text"]

    def judge(self, body: Json, question: str) -> tuple[int, str]:
        roles = ["user", "assistant"] * len(body["messages"])
        same([m["role"] for m in body["messages"]], roles[: len(body["messages"])], "roles")
        lacking = ""
        turns = body["messages"][1:]
        for step, (turn, results) in enumerate(zip(turns[::2], turns[1::2], strict=True)):
            kinds = [block["type"] for block in turn["content"]]
            begins = kinds[0] == "thinking"
            budget = body.get("thinking", {}).get("type") == "enabled"
            if budget and not begins and step == len(turns) // 2 - 1:
                where = f"messages.{2 * step + 1}.content.0.type"
                raise Refused(f"{where}: Expected `thinking`, but found `{kinds[0]}`.")
            for block in turn["content"]:
                if block["type"] == "thinking":
                    self._thinking(block, question, step)
            wanted = ["thinking", "text", "tool_use", "tool_use"]
            same(kinds, wanted if begins else wanted[1:], "thinking blocks cannot be modified")
            lacking += "" if begins else f"thinking of step {step} "
            ids = self.ids(question, step)
            found = [b["id"] for b in turn["content"] if b["type"] == "tool_use"]
            same(found, ids, "unknown tool_use ids")
            answered = [b.get("tool_use_id", "") for b in results["content"]]
            same(answered, ids, "`tool_use` ids were found without `tool_result` blocks")
        if body.get("thinking", {}).get("type") == "disabled":
            lacking += "thinking is off "
        return len(turns) // 2, lacking

    def _thinking(self, block: Json, question: str, step: int) -> None:
        signed = (block["thinking"], block["signature"])
        if signed != (thought(question, step), self.proof(question, step)):
            where = f"messages.{2 * step + 1}.content.0"
            raise Refused(f"{where}: Invalid `signature` in `thinking` block")

    def _blocks(self, question: str, step: int) -> list[Json]:
        if step >= STEPS:
            return [{"type": "text", "text": ANSWER}]
        secret = self.proof(question, step)
        return [
            {"type": "thinking", "thinking": thought(question, step), "signature": secret},
            {"type": "text", "text": SAID},
            *(
                {
                    "type": "tool_use",
                    "id": self.call_id(question, step, number),
                    "name": "weather",
                    "input": arguments(number),
                }
                for number in range(len(CITIES))
            ),
        ]

    def answer(self, question: str, step: int) -> Json:
        return {
            "id": f"msg_{step}",
            "type": "message",
            "role": "assistant",
            "model": "claude-haiku-4-5",
            "content": self._blocks(question, step),
            "stop_reason": "tool_use" if step < STEPS else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 3, "output_tokens": 2},
        }

    def stream(self, question: str, step: int) -> list[bytes]:
        whole = self.answer(question, step)
        begun = {**whole, "content": [], "stop_reason": None}
        events: list[Json] = [{"type": "message_start", "message": begun}]
        for index, block in enumerate(whole["content"]):
            events += [{**said, "index": index} for said in self._block(block)]
        delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
        usage = {"output_tokens": 2}
        events.append({"type": "message_delta", "delta": delta, "usage": usage})
        events.append({"type": "message_stop"})
        return [event(said) for said in events]

    def _block(self, block: Json) -> Iterator[Json]:
        empty = {"thinking": "", "signature": "", "text": "", "input": {}}
        begun = {name: empty.get(name, value) for name, value in block.items()}
        yield {"type": "content_block_start", "content_block": begun}
        deltas: list[Json]
        match block["type"]:
            case "thinking":
                texts = pieces(block["thinking"])
                deltas = [{"type": "thinking_delta", "thinking": piece} for piece in texts]
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            case "text":
                deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
            case _:
                texts = pieces(json.dumps(block["input"]))
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in texts]
        for delta in deltas:
            yield {"type": "content_block_delta", "delta": delta}
        yield {"type": "content_block_stop"}

    def error(self, message: str) -> bytes:
        error = {"type": "invalid_request_error", "message": message}
        return json.dumps({"type": "error", "error": error}).encode()


class Google(Provider):
    """The first call of each step is signed (gemini.md §5)."""

    DIALECT = "gemini"

    def streams(self, peer: Peer, body: Json) -> bool:
        return "streamGenerateContent" in peer.request.path

    def question(self, body: Json) -> str:
        found: str = body["contents"][0]["parts"][0]["text"]
        return found

    def judge(self, body: Json, question: str) -> tuple[int, str]:
        lacking = ""
        turns = body["contents"][1:]
        for step, (turn, results) in enumerate(zip(turns[::2], turns[1::2], strict=True)):
            same([turn["role"], results["role"]], ["model", "user"], "roles")
            lacking += self._turn(turn, question, step)
            ids = self.ids(question, step)
            answered = [part["functionResponse"]["id"] for part in results["parts"]]
            same(answered, ids, "as many function responses as function calls")
        return len(turns) // 2, lacking

    def _turn(self, turn: Json, question: str, step: int) -> str:
        # Google itself ends a stream with an empty text, and takes it back.
        said = [p for p in turn["parts"] if not p.get("thought") and p.get("text") != ""]
        kinds = ["text" if "text" in part else "call" for part in said]
        same(kinds, ["text", "call", "call"], "parts of the turn")
        calls = said[1:]
        same([c["functionCall"]["id"] for c in calls], self.ids(question, step), "unknown calls")
        if any("thoughtSignature" in part for part in turn["parts"] if part is not calls[0]):
            raise Refused("Corrupted thought signature.")
        signature = calls[0].get("thoughtSignature")
        if signature is None:
            raise Refused("Function call is missing a thought_signature in functionCall parts.")
        if signature == SENTINEL:
            return f"signature of step {step} "
        if base64.urlsafe_b64decode(signature.translate(str.maketrans("+/", "-_"))) != (
            base64.b64decode(self.proof(question, step))
        ):
            raise Refused("Corrupted thought signature.")
        return ""

    def _parts(self, question: str, step: int) -> list[Json]:
        if step >= STEPS:
            return [{"text": ANSWER}]
        calls: list[Json] = [
            {
                "functionCall": {
                    "id": self.call_id(question, step, number),
                    "name": "weather",
                    "args": arguments(number),
                }
            }
            for number in range(len(CITIES))
        ]
        calls[0]["thoughtSignature"] = self.proof(question, step)
        return [{"text": thought(question, step), "thought": True}, {"text": SAID}, *calls]

    def _event(self, parts: list[Json], finish: str | None) -> Json:
        candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if finish is not None:
            candidate["finishReason"] = finish
        usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
        body = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-3-pro"}
        return {**body, "responseId": "r1"}

    def answer(self, question: str, step: int) -> Json:
        return self._event(self._parts(question, step), "STOP")

    def stream(self, question: str, step: int) -> list[bytes]:
        parts: list[Json] = []
        for part in self._parts(question, step):
            if "text" in part:
                parts += [{**part, "text": piece} for piece in pieces(part["text"])]
            else:
                parts.append(part)
        ends: list[str | None] = [None] * (len(parts) - 1)
        return [
            gemini_event(self._event([part], end))
            for part, end in zip(parts, [*ends, "STOP"], strict=True)
        ]

    def error(self, message: str) -> bytes:
        error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
        return json.dumps({"error": error}).encode()


PROVIDERS: dict[str, type[Provider]] = {
    provider.DIALECT: provider for provider in (DeepSeek, OpenAI, Anthropic, Google)
}
