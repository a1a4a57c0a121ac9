"""``vercel``: its options in every body, markers for Claude only, images as they are."""

from plexus.transformers.steps.vercel import Vercel
from tests.transformers.steps.support import edited, edited_bytes

MARK = {"cache_control": {"type": "ephemeral"}}
MARKED = [{"role": "user", "content": [{"type": "text", "text": "a", **MARK}]}]
PLAIN = [{"role": "user", "content": [{"type": "text", "text": "a"}]}]


def test_options_go_into_every_body_and_win() -> None:
    step = Vercel(providerOptions={"gateway": {"order": ["a"]}}, params={"x": 1})
    sent = {"x": 2, "providerOptions": {"gateway": {"only": ["b"]}, "openai": {"y": 1}}}
    assert edited(step, sent) == {
        "x": 1,
        "providerOptions": {"gateway": {"order": ["a"], "only": ["b"]}, "openai": {"y": 1}},
    }


def test_markers_stay_for_claude_only() -> None:
    step = Vercel()
    assert edited(step, {"model": "openai/gpt", "messages": MARKED})["messages"] == PLAIN
    assert edited(step, {"model": "anthropic/claude", "messages": MARKED})["messages"] == MARKED
    same = {"model": "openai/gpt", "messages": MARKED}
    assert edited(step, same, "anthropic-messages") == same


def test_an_option_that_is_messages_metadata_meets_no_marker_edit() -> None:
    step = Vercel(params={"cache_control": {"type": "auto"}})
    assert edited(step, {"model": "m"})["cache_control"] == {"type": "auto"}


def test_bug_an_image_got_its_prefix_twice() -> None:
    """musistudio, CCR#953: ``data:…;base64,data:…`` for images that have their prefix."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = {"model": "m", "messages": [{"role": "user", "content": [image]}]}
    assert edited(Vercel(), body) == body
    assert edited_bytes(Vercel(), b'{"model": "m"}') == b'{"model": "m"}'
