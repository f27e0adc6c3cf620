"""What was probably meant: the known word nearest to the one that was written."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_CUTOFF = 0.6  # difflib's own default: below it, suggestions are noise
_LISTED = 8  # so many known words are listed where none is near


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word nearest to `word`, whatever its case; None where nothing is near."""
    words = list(known)
    folded = {candidate.lower(): candidate for candidate in reversed(words)}
    if word.lower() in folded:
        return folded[word.lower()]
    found = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=_CUTOFF)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], what: str = "there are") -> str:
    """`did you mean `labels`?`, else the known words if they are few, else nothing."""
    words = list(known)
    found = nearest(word, words)
    if found is not None:
        return f"did you mean `{found}`?"
    if 0 < len(words) <= _LISTED:
        return f"{what} {', '.join(words)}"
    return ""
