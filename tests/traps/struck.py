"""Traps that do not apply here, each with the reason; every other one has its test."""

STRUCK: dict[str, str] = {}
