"""What a model can look at and listen to: parts of a kind it is known not to take are refused."""

from plexus.transformers.capabilities import Capabilities
from plexus.transformers.losses import Loss, LossLog, Need
from plexus.unified.content import AudioContent, DocumentContent, ImageContent, VideoContent

_KINDS = {
    ImageContent: ("part.image.input", "images"),
    DocumentContent: ("part.document.input", "documents"),
    AudioContent: ("part.audio.input", "audio"),
    VideoContent: ("part.video.input", "video"),
}
"""Part → its row, and the capability that decides."""


def rows(*capabilities: str) -> tuple[Loss, ...]:
    """The rows of a dialect that has these kinds of media."""
    return tuple(
        Loss(
            field,
            "refused",
            f"the model takes no {capability}",
            "canonical.md §9",
            condition=f"capabilities.{capability} is false",
            needs=(Need(capability, (False,)),),
        )
        for field, capability in _KINDS.values()
        if capability in capabilities
    )


def check(
    part: ImageContent | DocumentContent | AudioContent | VideoContent,
    known: Capabilities,
    path: str,
    log: LossLog,
) -> None:
    """Raises PlexusError (400, ``param``) for media that the model is known not to take."""
    field, capability = _KINDS[type(part)]
    if getattr(known, capability) is False:
        log.note(field, path)
