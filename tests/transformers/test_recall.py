"""What a client strips and gets back: which turns are kept, how they are found, where they go."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from msgspec.structs import replace

from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.ids import anthropic_id, made_id, openai_id
from plexus.transformers.proofs import SENTINEL
from plexus.transformers.recall import Kept, Recorder, keep, recalled, restored, wanted
from plexus.unified.chunks import FinishReport, MessageStop, PartDelta, PartStart, PartStop
from plexus.unified.content import (
    Content,
    Origin,
    Proof,
    ProofKind,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.fold import unfold
from plexus.unified.request import Source, UnifiedChatRequest, UnifiedMessage
from plexus.unified.response import Choice, Finish, UnifiedChatResponse

QUESTION = "what is the weather?"
CLAUDE = TargetModel(provider="p", model="m", family="anthropic")
GPT = TargetModel(provider="p", model="m", family="openai")
GEMINI = TargetModel(provider="p", model="m", family="gemini")
ROUTER = TargetModel(
    provider="p",
    model="m",
    family="openrouter",
    capabilities=Capabilities(reasoning_field="reasoning"),
)
DEEPSEEK = TargetModel(
    provider="p",
    model="m",
    family="deepseek",
    capabilities=Capabilities(reasoning_field="reasoning_content", reasoning_echo="required"),
)
DIALECTS = {
    "anthropic": "anthropic-messages",
    "openai": "openai-responses",
    "gemini": "gemini",
    "openrouter": "openai-chat",
    "deepseek": "openai-chat",
    "vllm": "openai-chat",
}


def signed(value: str, family: str = "anthropic", kind: ProofKind = "signature") -> Proof:
    return Proof(value, kind, Origin(family))


def thought(text: str, value: str = "", family: str = "anthropic") -> ThinkingContent:
    return ThinkingContent(text=text, proof=signed(value or f"sig {text}", family))


def said(text: str, proof: Proof | None = None) -> TextContent:
    return TextContent(text=text, proof=proof)


def call(call_id: str, proof: Proof | None = None, city: str = "Oslo") -> ToolCallContent:
    arguments = f'{{"city": "{city}", "days": 1}}'
    return ToolCallContent(id=call_id, name="weather", arguments=arguments, proof=proof)


def request(*messages: UnifiedMessage, dialect: str = "openai-chat") -> UnifiedChatRequest:
    return UnifiedChatRequest(model="a", messages=messages, source=Source(dialect=dialect))


def user(text: str = QUESTION) -> UnifiedMessage:
    return UnifiedMessage(role="user", content=(TextContent(text=text),))


def model(*parts: Content) -> UnifiedMessage:
    return UnifiedMessage(role="assistant", content=parts)


def results(*calls: str) -> UnifiedMessage:
    content = tuple(ToolResultContent(tool_call_id=call_id) for call_id in calls)
    return UnifiedMessage(role="tool", content=content)


def kept(
    turn: Sequence[Content],
    target: TargetModel = CLAUDE,
    asked: UnifiedChatRequest | None = None,
) -> Kept | None:
    asked = request(user()) if asked is None else asked
    return keep(turn, asked, target, DIALECTS[target.family])


def back(
    known: Kept | None, history: UnifiedChatRequest, target: TargetModel = CLAUDE
) -> tuple[Content, ...]:
    """The first turn of the history as it goes to ``target``."""
    turns = {} if known is None else dict.fromkeys(known.keys, known.turn)
    found = recalled(history, wanted(history), turns)
    return restored(found, target, DIALECTS[target.family]).messages[1].content


T1, T2, T3 = thought("one"), thought("two"), thought("three")
FULL: tuple[Content, ...] = (T1, said("a"), T2, call("c1"), call("c2"))
BARE: tuple[Content, ...] = (said("a"), call("c1"), call("c2"))


@pytest.mark.parametrize(
    ("turn", "echoed", "wanted_parts"),
    [
        (FULL, BARE, FULL),
        # Chat clients have one text, before the calls.
        (
            (T1, said("a"), T2, said("b"), T3, call("c1")),
            (said("ab"), call("c1")),
            (T1, said("ab"), T2, T3, call("c1")),
        ),
        ((T1, said("a "), call("c1")), (said("a"), call("c1")), (T1, said("a"), call("c1"))),
        ((T1, call("c1")), (said(""), call("c1")), (T1, said(""), call("c1"))),
        ((T1, call("c1"), said("b")), (said("b"), call("c1")), (T1, said("b"), call("c1"))),
        (
            (T1, call("c1"), T2, call("c2")),
            (call("c1"), call("c2")),
            (T1, call("c1"), T2, call("c2")),
        ),
        ((said("a"), call("c1"), T1), (said("a"), call("c1")), (said("a"), call("c1"), T1)),
        # Text that the client left out, and text that it put there.
        ((T1, said("a"), T2, call("c1")), (call("c1"),), (T1, T2, call("c1"))),
        ((T1, call("c1")), (said("new"), call("c1")), (T1, said("new"), call("c1"))),
        # Chat has no place for the order of thoughts and text.
        (FULL, (T1, T2, *BARE), FULL),
        # Its signature lost, and all but the last thought lost.
        (FULL, (ThinkingContent(text="one"), *BARE), FULL),
        (FULL, (T2, *BARE), FULL),
        # Redacted thinking is a thought like others.
        (
            (ThinkingContent(redacted=True, proof=signed("r", kind="encrypted")), call("c1")),
            (call("c1"),),
            (ThinkingContent(redacted=True, proof=signed("r", kind="encrypted")), call("c1")),
        ),
    ],
)
def test_T21_every_thought_stands_before_what_it_led_to(
    turn: tuple[Content, ...], echoed: tuple[Content, ...], wanted_parts: tuple[Content, ...]
) -> None:
    history = request(user(), model(*echoed), results("c1", "c2"))
    assert back(kept(turn), history) == wanted_parts
    # The control: nothing is known.
    assert back(None, history) == echoed


def test_T26_a_signature_stays_on_its_part() -> None:
    sig = signed("s1", "gemini")
    end = said("", signed("s2", "gemini"))
    turn = (ThinkingContent(text="hm"), said("a", sig), call("c1", sig), call("c2"), end)
    history = request(user(), model(said("a"), call("c1"), call("c2")), results("c1", "c2"))
    # Gemini's unsigned thoughts are read by nobody again.
    assert back(kept(turn, GEMINI), history, GEMINI) == turn[1:]
    changed = request(user(), model(said("A"), call("c1"), call("c2")), results("c1", "c2"))
    assert back(kept(turn, GEMINI), changed, GEMINI) == (said("A"), *turn[2:])


def test_a_sentinel_of_the_client_is_no_signature() -> None:
    sig = signed("s1", "gemini")
    known = kept((call("c1", sig), call("c2")), GEMINI)
    own = call("c1", signed(SENTINEL, "gemini"))
    history = request(user(), model(own, call("c2")), results("c1", "c2"))
    assert back(known, history, GEMINI) == (call("c1", sig), call("c2"))


@pytest.mark.parametrize(
    "echoed",
    [
        FULL,
        # A thought of another origin: the client knows better.
        (thought("other"), *BARE),
        (T1, thought("other"), *BARE),
    ],
)
def test_a_turn_that_needs_nothing_is_left_alone(echoed: tuple[Content, ...]) -> None:
    history = request(user(), model(*echoed), results("c1", "c2"))
    assert back(kept(FULL), history) is history.messages[1].content


def test_T28_a_proof_in_other_base64_is_the_same() -> None:
    turn = (call("c1", signed("+/+/aa==", "gemini")), call("c2"))
    echoed = (call("c1", signed("-_-_aa", "gemini")), call("c2"))
    history = request(user(), model(*echoed), results("c1", "c2"))
    assert back(kept(turn, GEMINI), history, GEMINI) == echoed


@pytest.mark.parametrize("target", [GPT, GEMINI, DEEPSEEK])
def test_T22_another_family_gets_nothing(target: TargetModel) -> None:
    history = request(user(), model(*BARE), results("c1", "c2"))
    assert back(kept(FULL), history, target) == BARE


def test_a_router_gets_the_proofs_it_gave_whoever_issued_them() -> None:
    plain = ThinkingContent(text="hm")
    turn = (plain, T1, call("c1", signed("s", "gemini")))
    history = request(user(), model(call("c1")), results("c1"))
    assert back(kept(turn, ROUTER), history, ROUTER) == turn
    assert back(kept(turn, ROUTER), history, CLAUDE) == (T1, call("c1"))


# -- thinking without a proof --------------------------------------------------------------------


def test_T80_calls_get_their_plain_thinking_back() -> None:
    turn = (ThinkingContent(text="hm"), said("a"), call("c1"))
    history = request(user(), model(said("a"), call("c1")), results("c1"))
    known = kept(turn, DEEPSEEK)
    assert back(known, history, DEEPSEEK) == turn
    # An empty one that the client sends is not what was thought; one with words is.
    empty = request(user(), model(ThinkingContent(), said("a"), call("c1")), results("c1"))
    assert back(known, empty, DEEPSEEK) == turn
    own = request(user(), model(ThinkingContent(text="HM"), call("c1")), results("c1"))
    assert back(known, own, DEEPSEEK) == (ThinkingContent(text="HM"), call("c1"))
    # It is worth nothing to anybody else.
    vllm = replace(DEEPSEEK, family="vllm")
    assert back(known, history, vllm) == (said("a"), call("c1"))


def test_thinking_that_nobody_wants_back_is_not_kept() -> None:
    plain = (ThinkingContent(text="hm"), said("a"))
    assert kept(plain, DEEPSEEK) is None
    assert kept((*plain, call("c1")), ROUTER) is None
    assert kept((*plain, call("c1")), CLAUDE) is None
    assert kept((said("a"), call("c1")), CLAUDE) is None
    assert kept((said(""), call("c1")), DEEPSEEK) is None
    assert kept((call("c1", signed(SENTINEL, "gemini")),), GEMINI) is None
    assert kept((thought("no key"),), CLAUDE) is None


# -- how a turn is found -------------------------------------------------------------------------


def test_an_answer_in_words_is_found_by_its_words() -> None:
    turn = (T1, said("It "), T2, said("rains.\n"))
    known = kept(turn)
    history = request(user(), model(said("It rains.")), user("and tomorrow?"))
    assert back(known, history) == (T1, said("It rains."), T2)
    for other in (
        request(user("what else?"), model(said("It rains.")), user("and tomorrow?")),
        request(user(), model(said("It snows.")), user("and tomorrow?")),
    ):
        assert back(known, other) == other.messages[1].content


def test_an_id_means_nothing_under_another_question() -> None:
    """Vendors count: ``functions.weather:0`` is the first call of every conversation."""
    turn = (T1, call("functions.weather:0"))
    other = request(user("another's"), model(turn[1]), results(turn[1].id))
    assert back(kept(turn), other) == turn[1:]


@pytest.mark.parametrize("given", ["functions.weather:0", "c" * 100, "call|1"])
def test_an_id_is_known_in_the_form_its_client_got(given: str) -> None:
    known = kept((T1, call(given)))
    for form in (given, anthropic_id(given, "toolu_"), openai_id(given)):
        history = request(user(), model(call(form)), results(form))
        assert back(known, history) == (T1, call(form))


def test_a_step_belongs_to_its_question_wherever_the_results_stand() -> None:
    """Anthropic's results are in a user's message, at times with words beside them."""
    beside = UnifiedMessage(
        role="user",
        content=(ToolResultContent(tool_call_id="c0"), TextContent(text="<reminder/>")),
    )
    before = request(user(), model(call("c0")), beside)
    known = kept((T1, call("c1")), asked=before)
    history = request(*before.messages, model(call("c1")), results("c1"))
    turns = recalled(history, wanted(history), dict.fromkeys(known.keys if known else (), known))
    assert list(turns.turns) == [3]


def test_a_gemini_client_that_leaves_out_ids() -> None:
    """Its calls are found by what they say and when: here both steps say the same."""
    first = (call("g1", signed("s1", "gemini")), call("g2", city="Bergen"))
    second = (call("g3", signed("s2", "gemini")), call("g4", city="Bergen"))
    echoed = [
        ToolCallContent(
            id=made_id(str(number)), name="weather", arguments=f'{{"days":1,"city":"{city}"}}'
        )
        for number, city in enumerate(("Oslo", "Bergen") * 2)
    ]
    asked = request(user(), dialect="gemini")
    step = request(*asked.messages, model(*echoed[:2]), results("x", "y"), dialect="gemini")
    turns = {}
    for turn, before in ((first, asked), (second, step)):
        found = kept(turn, GEMINI, before)
        assert found is not None
        turns |= dict.fromkeys(found.keys, found.turn)
    history = request(*step.messages, model(*echoed[2:]), results("z"), dialect="gemini")
    sent = restored(recalled(history, wanted(history), turns), GEMINI, "gemini")
    calls = [part for message in sent.messages for part in message.tool_calls]
    assert [part.proof and part.proof.value for part in calls] == ["s1", None, "s2", None]
    assert [part.id for part in calls] == [part.id for part in echoed]


def test_a_turn_that_became_two_messages() -> None:
    history = request(user(), model(call("c1")), results("c1"), model(call("c2")), results("c2"))
    known = kept((T1, call("c1"), T2, call("c2")))
    assert known is not None
    turns = dict.fromkeys(known.keys, known.turn)
    sent = restored(recalled(history, wanted(history), turns), CLAUDE, "anthropic-messages")
    assert sent.messages[1].content == (T1, call("c1"))
    assert sent.messages[3].content == (T2, call("c2"))


def test_nothing_is_looked_for_without_a_turn_of_the_model() -> None:
    assert wanted(request(user(), results("c1"), user("more"))) == {}
    history = request(user(), user("more"))
    found = recalled(history, {}, {})
    assert restored(found, CLAUDE, "anthropic-messages") is history


def test_proofs_are_in_no_repr() -> None:
    known = kept((T1, said("secret a"), call("c1", signed("secret s"))))
    assert "secret" not in repr(known)
    assert "sig" not in repr(known)
    assert known is not None
    assert known.turn.size > sum(map(len, ("one", "sig one", "secret s")))


# -- streams -------------------------------------------------------------------------------------


def response(*turns: tuple[Content, ...]) -> UnifiedChatResponse:
    choices = tuple(
        Choice(index=number, message=model(*turn), finish=Finish("tool_calls"))
        for number, turn in enumerate(turns)
    )
    return UnifiedChatResponse(id="r", model="m", choices=choices)


def test_a_stream_is_kept_as_its_answer_would_be() -> None:
    asked = request(user())
    recorder = Recorder(asked, CLAUDE, "anthropic-messages")
    found = [recorder.feed(chunk) for chunk in unfold(response(FULL, (T3, call("other"))))]
    assert [known for known in found if known is not None] == [kept(FULL)]
    chunks = list(unfold(response(FULL)))
    at = next(n for n, chunk in enumerate(chunks) if isinstance(chunk, FinishReport))
    # At the finish, not at the end: some clients leave as soon as they know.
    recorder = Recorder(asked, CLAUDE, "anthropic-messages")
    assert [n for n, chunk in enumerate(chunks) if recorder.feed(chunk) is not None] == [at]
    # A stream that breaks off leaves nothing.
    recorder = Recorder(asked, CLAUDE, "anthropic-messages")
    assert [recorder.feed(chunk) for chunk in chunks[:at]] == [None] * at


def test_a_part_that_ends_behind_the_finish_is_waited_for() -> None:
    recorder = Recorder(request(user()), CLAUDE, "anthropic-messages")
    assert recorder.feed(PartStart(0, ThinkingContent())) is None
    assert recorder.feed(PartDelta(0, "thinking", "one")) is None
    assert recorder.feed(PartStart(1, call("c1"))) is None
    assert recorder.feed(PartStop(1, call("c1"))) is None
    assert recorder.feed(FinishReport(Finish("tool_calls"))) is None
    assert recorder.feed(PartStop(0, T1)) is None
    assert recorder.feed(MessageStop()) == kept((T1, call("c1")))


# -- anything ------------------------------------------------------------------------------------


def drawn(random: Random) -> tuple[Content, ...]:
    """A turn of Claude's with calls: any order, several of each kind."""
    parts: list[Content] = [call(f"c{number}") for number in range(random.randint(1, 3))]
    parts += [thought(f"t{number}") for number in range(random.randint(1, 4))]
    parts += [said(f"text {number} ") for number in range(random.randint(0, 3))]
    random.shuffle(parts)
    return tuple(parts)


def as_kept(random: Random, turn: Sequence[Content]) -> list[Content]:
    """As clients keep a turn: some or all thinking gone, texts joined or trimmed or gone."""
    gone = random.choice(["all", "some", "signatures"])
    parts: list[Content] = []
    for part in turn:
        if isinstance(part, ThinkingContent) and gone != "signatures":
            if gone == "some" and random.random() < 0.5:
                parts.append(part)
        elif isinstance(part, ThinkingContent):
            parts.append(ThinkingContent(text=part.text))
        else:
            parts.append(part)
    match random.choice(["as it was", "chat", "trimmed", "no text"]):
        case "chat":
            text = "".join(part.text for part in parts if isinstance(part, TextContent))
            thoughts = [part for part in parts if isinstance(part, ThinkingContent)]
            calls = [part for part in parts if isinstance(part, ToolCallContent)]
            parts = [*thoughts, said(text), *calls]
        case "trimmed":
            parts = [said(p.text.strip()) if isinstance(p, TextContent) else p for p in parts]
        case "no text":
            parts = [part for part in parts if not isinstance(part, TextContent)]
        case _:
            pass
    return parts


def test_whatever_is_stripped_all_thinking_is_back_in_order_and_nothing_else_changed() -> None:
    random = Random(1)
    for _ in range(3_000):
        turn = drawn(random)
        echoed = as_kept(random, turn)
        history = request(user(), model(*echoed), results("c0", "c1", "c2"))
        sent = back(kept(turn), history)
        thoughts = [part for part in turn if isinstance(part, ThinkingContent)]
        assert [part for part in sent if isinstance(part, ThinkingContent)] == thoughts
        others = [part for part in echoed if not isinstance(part, ThinkingContent)]
        assert [part for part in sent if not isinstance(part, ThinkingContent)] == others
        if [part for part in turn if not isinstance(part, ThinkingContent)] == others:
            assert sent == turn
        if isinstance(turn[0], ThinkingContent):
            assert isinstance(sent[0], ThinkingContent)
