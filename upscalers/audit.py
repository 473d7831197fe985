"""The append-only record of who did what."""

from __future__ import annotations

from typing import Any

from upscalers.models import AuditEntry


def record(user: Any, action: str, what: object, **detail: Any) -> None:
    AuditEntry.objects.create(
        who=user.get_username() if user is not None else "command line",
        action=action,
        what=f"{type(what).__name__.lower()} {what}"[:200],
        detail=detail,
    )
