"""What nearly every request, answer and event is made of, each read in one look: 0.3 us for a
content that takes 4 member by member.

Strict, and in camelCase only: what is spelt, typed or built in any other way is None here and read
member by member (``reader.Level``), which also knows what to complain of.  Tests hold that both
ways read the same.
"""

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from plexus.transformers.gemini.reader import NULL, is_object
from plexus.transformers.jsontext import compact

_UNUSUAL = (msgspec.DecodeError, RecursionError)


class _Usual(Struct, frozen=True, gc=False, forbid_unknown_fields=True, rename="camel"):
    """These live as long as it takes to read them."""


class UsualCall(_Usual, frozen=True):
    """``functionCall``."""

    name: str = ""
    args: Raw = NULL
    id: str = ""


class UsualResult(_Usual, frozen=True):
    """``functionResponse``, without media."""

    name: str | None = None
    response: Raw = NULL
    id: str = ""


class UsualPart(_Usual, frozen=True):
    """A part with one of the three; what the signature is of stands beside it."""

    text: str | UnsetType = UNSET
    function_call: UsualCall | UnsetType = UNSET
    function_response: UsualResult | UnsetType = UNSET
    thought: bool = False
    thought_signature: str = ""


class UsualContent(_Usual, frozen=True):
    parts: list[UsualPart]
    role: str = ""


class UsualThinking(_Usual, frozen=True):
    """``thinkingConfig``."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | int | None = None


class UsualConfig(_Usual, frozen=True):
    """``generationConfig``: the members that have a canonical name."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: int | None = None
    stop_sequences: list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_modalities: list[str | int] | None = None
    response_mime_type: str | None = None
    response_schema: Raw = NULL
    response_json_schema: Raw = NULL
    thinking_config: UsualThinking | None = None


class UsualFunction(_Usual, frozen=True):
    """A function's declaration."""

    name: str
    description: str | None = None
    parameters_json_schema: Raw = NULL
    parameters: Raw = NULL


class _Tool(_Usual, frozen=True):
    function_declarations: list[UsualFunction]


class UsualDetail(_Usual, frozen=True):
    """Tokens of one kind of media."""

    modality: str | int | None = None
    token_count: int | None = None


class UsualUsage(Struct, frozen=True, gc=False, rename="camel"):
    """``usageMetadata``: the members that have a canonical name."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    service_tier: str | int | None = None
    prompt_tokens_details: list[UsualDetail] | None = None
    candidates_tokens_details: list[UsualDetail] | None = None


class UsualCandidate(_Usual, frozen=True):
    content: UsualContent
    finish_reason: str | int | None = None
    index: int = -1
    finish_message: Raw = NULL
    avg_logprobs: Raw = NULL

    def unnamed(self) -> dict[str, Raw] | None:
        """Members without a canonical name; None for several, whose order is lost here."""
        message, average = self.finish_message != NULL, self.avg_logprobs != NULL
        if message and average:
            return None
        if message:
            return {"finishMessage": Raw(compact(self.finish_message))}
        return {"avgLogprobs": Raw(compact(self.avg_logprobs))} if average else {}


class UsualAnswer(_Usual, frozen=True):
    """An answer, or an event of one, with one candidate."""

    candidates: tuple[UsualCandidate]
    usage_metadata: dict[str, Raw] | None = None
    model_version: str = ""
    response_id: str = ""
    create_time: Raw = NULL

    def unnamed(self) -> dict[str, Raw]:
        """Members without a canonical name."""
        time = self.create_time
        return {} if time == NULL else {"createTime": Raw(compact(time))}


_content = msgspec.json.Decoder(UsualContent).decode
_contents = msgspec.json.Decoder(list[UsualContent]).decode
_config = msgspec.json.Decoder(UsualConfig).decode
_tool = msgspec.json.Decoder(_Tool).decode
_answer = msgspec.json.Decoder(UsualAnswer).decode
_usage = msgspec.json.Decoder(UsualUsage).decode


def usual_content(raw: Raw) -> UsualContent | None:
    try:
        return _content(raw)
    except _UNUSUAL:
        return None


def usual_contents(raw: Raw) -> list[UsualContent] | None:
    """All of them, None where one is unusual."""
    try:
        return _contents(raw)
    except _UNUSUAL:
        return None


def usual_config(raw: Raw) -> UsualConfig | None:
    try:
        return _config(raw)
    except _UNUSUAL:
        return None


def usual_tool(raw: Raw) -> list[UsualFunction] | None:
    """The functions of an entry of ``tools`` that has nothing else."""
    try:
        functions = _tool(raw).function_declarations
    except _UNUSUAL:
        return None
    schemas = (
        one
        for function in functions
        for one in (function.parameters_json_schema, function.parameters)
    )
    return functions if all(one == NULL or is_object(one) for one in schemas) else None


def usual_answer(data: bytes) -> UsualAnswer | None:
    try:
        return _answer(data)
    except _UNUSUAL:
        return None


def usual_usage(fields: dict[str, Raw]) -> UsualUsage | None:
    """Of the members of ``usageMetadata``; unknown ones are passed over."""
    if "_" in "".join(fields):
        return None
    try:
        return _usage(msgspec.json.encode(fields))
    except _UNUSUAL:
        return None
