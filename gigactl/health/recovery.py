"""The recovery the driver states itself: NVML field 230 as a number, Xid 154 in words."""

from __future__ import annotations

import re

from gigactl.health.tables import Recovery, xids

# "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"; early branches write the words alone
_NUMBER = re.compile(r"\bto 0x([0-9a-fA-F]{1,8})\b")


def by_number(number: int) -> Recovery | None:
    """The action of field 230; None for a number this catalogue does not know."""
    return xids().recovery.get(number)


def stated(text: str) -> Recovery | None:
    """The action an Xid 154 states in its line; None where that is unclear."""
    number = _NUMBER.search(text)
    if number:
        return by_number(int(number.group(1), 16))
    said = text.rsplit(" to ", 1)[-1].lower()
    for recovery in xids().recovery.values():
        if any(re.search(rf"\b{re.escape(words.lower())}\b", said) for words in recovery.texts):
            return recovery
    return None
