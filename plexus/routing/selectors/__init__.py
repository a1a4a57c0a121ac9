"""How an alias orders its targets, one selector per module."""
