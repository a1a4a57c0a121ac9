"""Plexus: an LLM gateway that is compiled, not configured."""

__version__ = "0.1.0"
