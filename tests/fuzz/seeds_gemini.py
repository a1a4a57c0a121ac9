"""Rich documents of the dialect gemini for mutations to start from."""

from typing import Any

_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
_SCHEMA = {
    "type": "OBJECT",
    "properties": {
        "city": {"type": "STRING", "nullable": True},
        "days": {"type": "INTEGER", "minimum": 1},
    },
    "required": ["city"],
    "propertyOrdering": ["city", "days"],
}
_ENVELOPE = (
    "cGx4MS5leUp2Y21sbmFXNGlPbnNpWm1GdGFXeDVJam9pWVc1MGFISnZjR2xqSW4wc0ltdHBibVFpT2lKemFXZHVZWF"
    "IxY21VaUxDSjJZV3gxWlNJNkluTnBaeUo5"
)

GEMINI_REQUESTS: tuple[dict[str, Any], ...] = (
    {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
    {
        "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "What is this?"},
                    {
                        "inlineData": {"mimeType": "image/png", "data": _PNG},
                        "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
                    },
                    {"inline_data": {"mime_type": "application/pdf", "data": "JVBERi0="}},
                    {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
                    {"inlineData": {"mimeType": "text/plain", "data": "aGk="}},
                    {"fileData": {"fileUri": "https://example.com/a.png", "mimeType": "image/png"}},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "They want the weather.", "thought": True},
                    {
                        "functionCall": {"name": "weather", "args": {"city": "Oslo"}},
                        "thoughtSignature": "c2lnbmF0dXJl",
                    },
                    {"functionCall": {"id": "call_2", "name": "weather", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {
                        "functionResponse": {
                            "name": "weather",
                            "response": {"output": "Rain"},
                            "parts": [{"inlineData": {"mimeType": "image/png", "data": _PNG}}],
                        }
                    },
                    {
                        "function_response": {
                            "id": "call_2",
                            "name": "weather",
                            "response": {"error": "no such city"},
                        }
                    },
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "Thought elsewhere.", "thought": True, "thoughtSignature": _ENVELOPE},
                    {"text": "It rains.", "thoughtSignature": "dGV4dA=="},
                    {"executableCode": {"language": "PYTHON", "code": "1+1"}},
                    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
                ],
            },
            {"role": "user", "parts": [{"text": "Thanks. And tomorrow?"}]},
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "weather", "description": "Tells it.", "parameters": _SCHEMA},
                    {
                        "name": "clock",
                        "parametersJsonSchema": {
                            "type": "object",
                            "properties": {},
                            "additionalProperties": False,
                        },
                    },
                ]
            },
            {"googleSearch": {}},
            {"codeExecution": {}},
        ],
        "toolConfig": {
            "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]},
            "includeServerSideToolInvocations": True,
        },
        "safetySettings": [
            {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}
        ],
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40,
            "maxOutputTokens": "2048",
            "candidateCount": 1,
            "stopSequences": ["END"],
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "seed": 7,
            "responseLogprobs": True,
            "logprobs": 2,
            "responseMimeType": "application/json",
            "responseSchema": _SCHEMA,
            "responseModalities": ["TEXT"],
            "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024},
        },
        "serviceTier": "flex",
        "labels": {"team": "a"},
    },
    {
        "contents": [
            {"parts": [{"text": "Be quick."}]},
            {"role": "model", "parts": [{"text": "Yes."}]},
        ],
        "generation_config": {
            "max_output_tokens": 100,
            "thinking_config": {"thinking_level": "HIGH"},
            "response_mime_type": "application/json",
        },
    },
)

_USAGE = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 3,
    "cachedContentTokenCount": 2,
    "toolUsePromptTokenCount": 1,
    "totalTokenCount": 19,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
    "serviceTier": "standard",
}
_GROUNDING = {
    "groundingChunks": [{"web": {"uri": "https://example.com", "title": "S"}}],
    "groundingSupports": [
        {
            "segment": {"startIndex": 0, "endIndex": 5, "text": "hello"},
            "groundingChunkIndices": [0],
        }
    ],
    "webSearchQueries": ["x"],
}
_CALL = {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}

GEMINI_ANSWERS: tuple[dict[str, Any], ...] = (
    {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "Hm.", "thought": True},
                        {"text": "hello"},
                        {**_CALL, "thoughtSignature": "c2ln"},
                        {"functionCall": {"id": "f2", "name": "clock"}},
                        {"inlineData": {"mimeType": "image/png", "data": _PNG}},
                    ],
                },
                "finishReason": "STOP",
                "index": 0,
                "groundingMetadata": _GROUNDING,
                "logprobsResult": {"chosenCandidates": [{"token": "a", "logProbability": -0.1}]},
            }
        ],
        "usageMetadata": _USAGE,
        "modelVersion": "m",
        "responseId": "r1",
    },
    {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
    },
    {
        "error": {
            "code": 429,
            "message": "slow down",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}],
        }
    },
)


def _event(parts: list[dict[str, Any]], **rest: Any) -> tuple[str, Any]:
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0, **rest}
    return "", {"candidates": [candidate], "modelVersion": "m", "responseId": "r1"}


GEMINI_STREAMS: tuple[list[tuple[str, Any]], ...] = (
    [
        _event([{"text": "Hm", "thought": True}]),
        _event([{"text": "hel"}]),
        _event([{"text": "lo"}]),
        _event([{**_CALL, "thoughtSignature": "c2ln"}, {"functionCall": {"name": "clock"}}]),
        _event([{"text": "", "thoughtSignature": "dGV4dA=="}], finishReason="STOP"),
        ("", {"candidates": [{"index": 0, "groundingMetadata": _GROUNDING}]}),
        ("", {"usageMetadata": _USAGE, "modelVersion": "m", "responseId": "r1"}),
    ],
    [
        _event([{"functionCall": {"name": "weather", "willContinue": True}}]),
        _event(
            [
                {
                    "functionCall": {
                        "partialArgs": [
                            {"jsonPath": "$.city", "stringValue": "Os", "willContinue": True}
                        ],
                        "willContinue": True,
                    }
                }
            ]
        ),
        _event(
            [
                {
                    "functionCall": {
                        "partialArgs": [
                            {"jsonPath": "$.city", "stringValue": "lo"},
                            {"jsonPath": "$.days[0]", "numberValue": 2},
                        ],
                        "willContinue": True,
                    }
                }
            ]
        ),
        _event([{"functionCall": {}}], finishReason="STOP"),
    ],
    [
        _event([{"text": "no"}]),
        ("", {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}),
    ],
)
