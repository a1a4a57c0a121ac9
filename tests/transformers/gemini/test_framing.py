"""What of a provider's stream reaches a client of the same dialect."""

import pytest

from plexus.transformers.gemini.framing import GeminiDecoder

EVENT = b'data: {"candidates":[]}\n\n'


@pytest.mark.parametrize(
    "sent",
    [
        EVENT,
        b": keep-alive\n\n" + EVENT,
        b": keep-alive\n" + EVENT,
        b'data: {"candidates":[]}\n: keep-alive\n\n',
        b"event: message\n" + EVENT,
        b"\xef\xbb\xbf: keep-alive\n\n" + EVENT,
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "by bytes"])
def test_googles_sdk_can_read_every_event(sent: bytes, whole: bool) -> None:
    """It takes a comment or a name for JSON, and raises."""
    decoder = GeminiDecoder()
    pieces = [sent] if whole else [sent[at : at + 1] for at in range(len(sent))]
    frames = [frame for piece in pieces for frame in decoder.feed(piece)] + decoder.close()
    # A blank line stands for what was left out; the SDK skips it.
    assert b"".join(frame.raw for frame in frames).strip() == EVENT.strip()


def test_line_ends_stay_as_they_came() -> None:
    decoder = GeminiDecoder()
    sent = EVENT.replace(b"\n", b"\r\n")
    assert b"".join(frame.raw for frame in decoder.feed(sent)) == sent
