"""Whether this installation works, for monitoring. Tells no secrets: it needs no login."""

from __future__ import annotations

import shutil
from typing import Any

from django.conf import settings
from django.db import connection

from upscalers.jobs import STALLED_AFTER_SECONDS

FULL_BELOW_BYTES = 1_000_000_000  # too little to make a clip


def report() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM now() - last_heartbeat)::float"
            " FROM procrastinate_workers ORDER BY last_heartbeat DESC"
        )
        ages = [round(max(age, 0.0), 1) for (age,) in cursor.fetchall()]
    alive = [age for age in ages if age < STALLED_AFTER_SECONDS]
    return _summary(database_ok=True, workers_ok=bool(alive), ages=alive)


def without_database() -> dict[str, Any]:
    return _summary(database_ok=False, workers_ok=False, ages=[])


def _summary(database_ok: bool, workers_ok: bool, ages: list[float]) -> dict[str, Any]:
    free = shutil.disk_usage(settings.DATA_DIR).free
    disk_ok = free > FULL_BELOW_BYTES
    return {
        "status": "ok" if database_ok and workers_ok and disk_ok else "failing",
        "version": settings.VERSION,
        "database": {"ok": database_ok},
        "workers": {"ok": workers_ok, "alive": len(ages), "heartbeat_ages_s": ages},
        "disk": {"ok": disk_ok, "free_gb": round(free / 1e9, 1)},
    }
