"""Words that pages, warnings and the report share."""

from __future__ import annotations

import re
from collections.abc import Sequence


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def minus(text: str) -> str:
    """With true minuses before the numbers of a text that is plain in data."""
    return re.sub(r"(?<![\w.-])-(?=\d)", "−", text)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
