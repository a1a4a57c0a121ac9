"""Claude Code's billing line in the system text (traps T18)."""

ATTRIBUTION = "x-anthropic-billing-header:"
"""How it begins.  It changes with every request: a cache of anybody but Anthropic never hits."""
