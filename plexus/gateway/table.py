"""The routing table: every model name a client may ask for (design decision 12)."""

from msgspec import Struct


class Entry(Struct, frozen=True, kw_only=True):
    """One name.

    ``module`` is relative to the generated package (``aliases.fast``) and imported on first use;
    ``resource`` is its class.

    ``alias`` is the alias it belongs to (key checks go by it; for direct names the name itself);
    ``listed`` entries appear in ``/v1/models``.
    """

    name: str
    module: str
    resource: str
    alias: str
    listed: bool = True
    display_name: str | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None


class RouteTable(Struct, frozen=True, kw_only=True):
    """``models``: every alias, additional alias and (with ``direct``) ``provider/model`` name.

    ``targets``: pinned target addresses, keyed ``provider/model``.  ``aliases``: pinned alias
    addresses, names without a slash.  ``wildcard``: the alias ``"*"``.
    """

    models: dict[str, Entry]
    targets: dict[str, Entry]
    aliases: dict[str, Entry]
    wildcard: Entry | None = None
