"""How long a provider asks to wait (errors.md §4; reliability C7)."""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST = 3600.0
"""Seconds at most; providers have sent 10^9."""

_STEP = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def retry_after(headers: Mapping[str, str], delay: str = "") -> float | None:
    """Seconds to wait, within 0 and one hour; None when nobody said.

    ``headers`` have lower-case names; ``delay`` is the duration in the body, if any.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _clamp(milliseconds / 1000)
    value = headers.get("retry-after", "")
    for word in (value, *value.split(",")):
        found = _seconds(word.strip(), headers)
        if found is not None:
            return _clamp(found)
    found = _duration(delay)
    return _clamp(found) if found is not None else _reset(headers)


def _seconds(word: str, headers: Mapping[str, str]) -> float | None:
    number = _number(word)
    if number is not None:
        return number
    duration = _duration(word)
    if duration is not None:
        return duration
    until, now = _date(word), _date(headers.get("date", ""))
    # Without the provider's own clock a date means nothing: ours may differ.
    return None if until is None or now is None else (until - now).total_seconds()


def _reset(headers: Mapping[str, str]) -> float | None:
    """The wait until the exhausted limit is refilled, of OpenAI's reset headers."""
    waits = []
    for name, value in headers.items():
        if not name.startswith("x-ratelimit-reset-"):
            continue
        left = headers.get(name.replace("-reset-", "-remaining-"))
        wait = _duration(value)
        if wait is not None and left is not None and _number(left) == 0:
            waits.append(wait)
    return _clamp(max(waits)) if waits else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _duration(text: str) -> float | None:
    """``6m0s``, ``250ms``, ``1.5s``."""
    steps = _STEP.findall(text)
    if not steps or "".join(number + unit for number, unit in steps) != text.strip():
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in steps)


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None


def _clamp(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST)
