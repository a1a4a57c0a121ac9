"""Four clients that hold a conversation with tools, each in its dialect, as SDKs do.

``keep`` is what such a client puts into its history of an answer: all of it, or only what its
dialect has a standard field for, without thinking and its proofs.
"""

from __future__ import annotations

import json
from typing import Any

from tests.gateway.harness import Answer, Json

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
}


def data_lines(answer: Answer) -> list[Json]:
    lines = answer.body.decode().split("\n")
    found = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(line) for line in found if line != "[DONE]"]


class Agent:
    """``read`` gives the model's turn as the dialect has it, whether it came whole or streamed."""

    DIALECT = ""

    def path(self, alias: str, stream: bool) -> str:
        raise NotImplementedError

    def ask(self, alias: str, question: str, stream: bool) -> Json:
        raise NotImplementedError

    def read(self, answer: Answer, stream: bool) -> Any:
        return self.collect(data_lines(answer)) if stream else self.pick(answer.json)

    def pick(self, answer: Json) -> Any:
        raise NotImplementedError

    def collect(self, events: list[Json]) -> Any:
        raise NotImplementedError

    def strip(self, turn: Any) -> Any:
        raise NotImplementedError

    def called(self, turn: Any) -> bool:
        raise NotImplementedError

    def go_on(self, body: Json, turn: Any) -> None:
        """Append the turn and the results of its calls to the conversation."""
        raise NotImplementedError


class ChatAgent(Agent):
    DIALECT = "openai-chat"

    def path(self, alias: str, stream: bool) -> str:
        return "/v1/chat/completions"

    def ask(self, alias: str, question: str, stream: bool) -> Json:
        function = {"name": "weather", "parameters": SCHEMA}
        return {
            "model": alias,
            "messages": [{"role": "user", "content": question}],
            "tools": [{"type": "function", "function": function}],
            "reasoning_effort": "high",
            "stream": stream,
        }

    def pick(self, answer: Json) -> Json:
        found: Json = answer["choices"][0]["message"]
        return found

    def collect(self, events: list[Json]) -> Json:
        message: Json = {}
        for event in events:
            for choice in event["choices"]:
                _merge(message, choice["delta"])
        for call in message.get("tool_calls", ()):
            del call["index"]
        return message

    def strip(self, turn: Json) -> Json:
        kept = {"role": "assistant", "content": turn.get("content")}
        calls = [
            {name: call[name] for name in ("id", "type", "function")}
            for call in turn.get("tool_calls", ())
        ]
        return {**kept, "tool_calls": calls} if calls else kept

    def called(self, turn: Json) -> bool:
        return bool(turn.get("tool_calls"))

    def go_on(self, body: Json, turn: Json) -> None:
        body["messages"].append(turn)
        for call in turn["tool_calls"]:
            result = {"role": "tool", "tool_call_id": call["id"], "content": "rain"}
            body["messages"].append(result)


def _merge(into: Json, delta: Json) -> None:
    """As OpenAI's SDKs accumulate: texts grow, entries with an index are one."""
    for name, value in delta.items():
        if value is None:
            into.setdefault(name, None)
        elif isinstance(value, list):
            known = into.setdefault(name, [])
            for entry in value:
                mine = next((e for e in known if e.get("index") == entry.get("index")), None)
                if mine is None:
                    known.append(dict(entry))
                else:
                    _merge(mine, {k: v for k, v in entry.items() if k not in ("index", "type")})
        elif isinstance(value, dict):
            _merge(into.setdefault(name, {}), value)
        elif isinstance(value, str) and name not in ("role", "id", "type"):
            into[name] = (into.get(name) or "") + value
        else:
            into[name] = value


class MessagesAgent(Agent):
    DIALECT = "anthropic-messages"

    def path(self, alias: str, stream: bool) -> str:
        return "/v1/messages"

    def ask(self, alias: str, question: str, stream: bool) -> Json:
        return {
            "model": alias,
            "max_tokens": 8000,
            "messages": [{"role": "user", "content": question}],
            "tools": [{"name": "weather", "input_schema": SCHEMA}],
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "stream": stream,
        }

    def pick(self, answer: Json) -> list[Json]:
        found: list[Json] = answer["content"]
        return found

    def collect(self, events: list[Json]) -> list[Json]:
        blocks: list[Json] = []
        texts: dict[int, str] = {}
        for event in events:
            match event["type"]:
                case "content_block_start":
                    blocks.append(dict(event["content_block"]))
                case "content_block_delta":
                    delta, block = event["delta"], blocks[event["index"]]
                    kind = delta["type"].removesuffix("_delta")
                    if kind == "input_json":
                        index = event["index"]
                        texts[index] = texts.get(index, "") + delta["partial_json"]
                    else:
                        block[kind] += delta[kind]
                case _:
                    pass
        for index, text in texts.items():
            blocks[index]["input"] = json.loads(text)
        return blocks

    def strip(self, turn: list[Json]) -> list[Json]:
        return [b for b in turn if b["type"] not in ("thinking", "redacted_thinking")]

    def called(self, turn: list[Json]) -> bool:
        return any(block["type"] == "tool_use" for block in turn)

    def go_on(self, body: Json, turn: list[Json]) -> None:
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "rain"}
            for block in turn
            if block["type"] == "tool_use"
        ]
        body["messages"].append({"role": "assistant", "content": turn})
        body["messages"].append({"role": "user", "content": results})


class ResponsesAgent(Agent):
    DIALECT = "openai-responses"

    def path(self, alias: str, stream: bool) -> str:
        return "/v1/responses"

    def ask(self, alias: str, question: str, stream: bool) -> Json:
        return {
            "model": alias,
            "input": [{"role": "user", "content": question}],
            "tools": [{"type": "function", "name": "weather", "parameters": SCHEMA}],
            "reasoning": {"effort": "high", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
            "stream": stream,
        }

    def pick(self, answer: Json) -> list[Json]:
        found: list[Json] = answer["output"]
        return found

    def collect(self, events: list[Json]) -> list[Json]:
        return self.pick(events[-1]["response"])

    def strip(self, turn: list[Json]) -> list[Json]:
        return [item for item in turn if item["type"] != "reasoning"]

    def called(self, turn: list[Json]) -> bool:
        return any(item["type"] == "function_call" for item in turn)

    def go_on(self, body: Json, turn: list[Json]) -> None:
        body["input"] += turn
        body["input"] += [
            {"type": "function_call_output", "call_id": item["call_id"], "output": "rain"}
            for item in turn
            if item["type"] == "function_call"
        ]


class GeminiAgent(Agent):
    DIALECT = "gemini"

    def path(self, alias: str, stream: bool) -> str:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{alias}:{verb}"

    def ask(self, alias: str, question: str, stream: bool) -> Json:
        tools = [{"name": "weather", "parametersJsonSchema": SCHEMA}]
        thinking = {"includeThoughts": True, "thinkingLevel": "HIGH"}
        return {
            "contents": [{"role": "user", "parts": [{"text": question}]}],
            "tools": [{"functionDeclarations": tools}],
            "generationConfig": {"thinkingConfig": thinking},
        }

    def pick(self, answer: Json) -> list[Json]:
        found: list[Json] = answer["candidates"][0]["content"]["parts"]
        return found

    def collect(self, events: list[Json]) -> list[Json]:
        """As gemini-cli: fragments of a text that is not signed are one text."""
        parts: list[Json] = []
        for event in events:
            content = event["candidates"][0].get("content", {})
            for part in content.get("parts", ()):
                last = parts[-1] if parts else {}
                plain = "text" in part and "thoughtSignature" not in part and "text" in last
                if (
                    plain
                    and "thoughtSignature" not in last
                    and part.get("thought") == last.get("thought")
                ):
                    last["text"] += part["text"]
                else:
                    parts.append(dict(part))
        return parts

    def strip(self, turn: list[Json]) -> list[Json]:
        bare = [{k: v for k, v in part.items() if k != "thoughtSignature"} for part in turn]
        return [part for part in bare if not part.get("thought")]

    def called(self, turn: list[Json]) -> bool:
        return any("functionCall" in part for part in turn)

    def go_on(self, body: Json, turn: list[Json]) -> None:
        calls = [part["functionCall"] for part in turn if "functionCall" in part]
        results = [
            {"functionResponse": {"id": c["id"], "name": c["name"], "response": {"output": "rain"}}}
            for c in calls
        ]
        body["contents"].append({"role": "model", "parts": turn})
        body["contents"].append({"role": "user", "parts": results})


AGENTS: dict[str, Agent] = {
    agent.DIALECT: agent
    for agent in (ChatAgent(), MessagesAgent(), ResponsesAgent(), GeminiAgent())
}
