"""Reads what pages send over their sockets, one field at a time, believing nothing.

Pure; says in words what is wrong with a field.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

LONGEST_MESSAGE = 128 * 1024
MOST_CHECKS = 20


class BadMessage(ValueError):
    """What a page sent is not a message of the protocol."""


Message = Mapping[str, Any]


def parse(text: str | None) -> Message:
    if text is None or len(text) > LONGEST_MESSAGE:
        raise BadMessage("A message is text of at most 128 kB.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("A message is a JSON object.") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise BadMessage("A message is a JSON object with a type.")
    return message


def text(message: Message, name: str, longest: int = 300) -> str:
    value = message.get(name)
    if not isinstance(value, str) or len(value) > longest or "\x00" in value:
        raise BadMessage(f"{name} is a text of at most {longest} characters.")
    return value


def text_or_empty(message: Message, name: str, longest: int = 300) -> str:
    return "" if name not in message else text(message, name, longest)


def flag(message: Message, name: str) -> bool:
    value = message.get(name, False)
    if not isinstance(value, bool):
        raise BadMessage(f"{name} is true or false.")
    return value


def whole(message: Message, name: str) -> int:
    value = message.get(name)
    if type(value) is not int or abs(value) > 2**62:
        raise BadMessage(f"{name} is a whole number.")
    return value


def identity(message: Message, name: str) -> UUID:
    value = text(message, name, 36)
    try:
        return UUID(value)
    except ValueError:
        raise BadMessage(f"{name} is a UUID.") from None


def identity_or_none(message: Message, name: str) -> UUID | None:
    return None if message.get(name) is None else identity(message, name)


def moment(message: Message, name: str) -> datetime:
    """Milliseconds since 1970 by the server's clock, as the page knows it."""
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadMessage(f"{name} is a time in milliseconds.")
    if not 1.6e12 < value < 4.2e12:
        raise BadMessage(f"{name} is not a time near now: is this device's clock set?")
    return datetime.fromtimestamp(value / 1000, UTC)


def checks(message: Message) -> list[dict[str, Any]]:
    """The display's checks: what was measured, whether that will do, and what to do if not."""
    items = message.get("checks")
    if not isinstance(items, list) or len(items) > MOST_CHECKS:
        raise BadMessage(f"checks is a list of at most {MOST_CHECKS}.")
    result = []
    for item in items:
        if not isinstance(item, dict):
            raise BadMessage("A check is an object.")
        named = {name: text(item, name, 200) for name in ("id", "label", "value", "advice")}
        result.append({**named, "ok": flag(item, "ok")})
    return result
