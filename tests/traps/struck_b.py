"""Traps T51 to T100 that do not apply to Plexus, and why.  None of them does not."""

STRUCK: dict[str, str] = {}
