"""Commissioning a display: who may, what is kept of a run, and what sessions say of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessions_app import snapshots
from sessions_app.models import Commissioning, CounterClip
from sessions_app.services import commissioning, running
from tests.sessions_app.running.conftest import GOOD_CHECK, FakeDisplay
from tests.sessions_app.running.material import make_session
from upscalers.models import AuditEntry, Job, JobState

FRAMES, HZ = 30, 60.0
PAGE = "/commissioning/"


@pytest.fixture
def clip(db: None) -> CounterClip:
    return CounterClip.objects.create(
        width=160, height=90, rate=30, seconds=1, sha256="ab" * 32, size_bytes=7,
        manifest={"frames": FRAMES},
    )  # fmt: skip


def told(clip: CounterClip) -> dict[str, Any]:
    """What the page sends of a run in which all went well."""
    phases = [
        {
            "name": name, "planned_ms": 1000.0, "measured_ms": 1000.0, "frames_shown": frames,
            "frames_expected": frames, "frames_late": 0, "missed_refreshes": 0,
        }
        for name, frames in (("grey before", 0), ("clip", FRAMES), ("grey after", 0))
    ]  # fmt: skip
    rows = [[n, 120 + 2 * n, 120 + 2 * n, 2000 + n * 33.3, 2001 + n * 33.3] for n in range(FRAMES)]
    return {
        "display": "Room 2", "clip": clip.sha256, "browser": "Chromium 156", "screen": "160 × 90",
        "window": "160 × 90",
        "evidence": {
            "refresh_hz": HZ, "largest_gap_ms": 16.7, "slowest_paint_ms": 1.0, "phases": phases,
            "events": [], "clips": {"clip": clip.sha256},
        },
        "log": {"refresh_hz": HZ, "ends": 120 + 2 * FRAMES, "painted": rows},
    }  # fmt: skip


def post(client: Client, run: object) -> Any:
    return client.post(PAGE, json.dumps(run), content_type="application/json")


@pytest.fixture
def run(client: Client, owner: User, clip: CounterClip) -> Commissioning:
    client.force_login(owner)
    assert post(client, told(clip)).status_code == 201
    return Commissioning.objects.get()


def capture(*, lost: tuple[int, ...] = ()) -> SimpleUploadedFile:
    rows, shown = ["time_ms,counter"], ""
    for step in range(500):
        frame = int((step * 5 - 500) // (1000 / 30))
        if frame not in lost:
            shown = str(frame) if 0 <= frame < FRAMES else ""
        rows.append(f"{step * 5},{shown}")
    return SimpleUploadedFile("capture.csv", "\n".join(rows).encode())


def enter(client: Client, run: Commissioning, **fields: Any) -> Any:
    return client.post(run.get_absolute_url(), {"instrument": "capture card", **fields})


COUNTED = {"missing": 0, "repeated": 0, "duration_ms": 1000}


@pytest.mark.parametrize("way", ["get", "post"])
@pytest.mark.parametrize("path", ["", "clip/", "clip/{clip}/", "{run}/", "{run}/log.csv"])
def test_only_coordinators_commission(
    client: Client, run: Commissioning, colleague: User, way: str, path: str
) -> None:
    url = PAGE + path.format(clip=run.clip_id, run=run.pk)
    client.logout()
    answer = getattr(client, way)(url)
    assert answer.status_code == 302 and answer["Location"].startswith(reverse("login"))
    client.force_login(colleague)
    assert getattr(client, way)(url).status_code == 403


def test_a_run_is_kept_with_its_log_and_said_to_the_audit(
    client: Client, run: Commissioning, owner: User
) -> None:
    assert (run.display, run.by, run.screen) == ("Room 2", owner, "160 × 90")
    page = client.get(run.get_absolute_url()).content.decode()
    assert "30 of 30" in page and "1000.0 ms" in page and "Compare with the log" in page
    assert AuditEntry.objects.filter(action="counter clip played").exists()
    rows = client.get(f"{run.get_absolute_url()}log.csv").content.decode().splitlines()
    assert rows[0].startswith("frame,square,planned_refresh,refresh,refresh_at_ms,painted_at_ms,")
    assert rows[1:3] == ["0,white,120,120,2000.0,2001.0,", "1,black,122,122,2033.3,2034.3,"]
    assert len(rows) == FRAMES + 1


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"display": "  "}, 422, "Give the display a name"),
        ({"log": {"refresh_hz": HZ, "ends": 1, "painted": []}}, 422, "no frame that was painted"),
        ({"evidence": {}}, 422, "evidence lacks"),
        ({"clip": "00"}, 400, "not understood"),
        ({"window": None, "log": 3}, 422, "log lacks"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(
    client: Client, owner: User, clip: CounterClip, changes: dict[str, Any], status: int,
    reason: str,
) -> None:  # fmt: skip
    client.force_login(owner)
    answer = post(client, {**told(clip), **changes})
    assert answer.status_code == status and reason in answer.json()["error"]
    assert not Commissioning.objects.exists()


def test_a_run_of_another_clip_is_refused(client: Client, owner: User, clip: CounterClip) -> None:
    client.force_login(owner)
    run = told(clip)
    run["evidence"]["clips"]["clip"] = "cd" * 32
    assert "of another clip" in post(client, run).json()["error"]
    assert post(client, [1]).status_code == 400


def test_a_capture_is_compared_and_kept(client: Client, run: Commissioning, owner: User) -> None:
    answer = enter(client, run, capture=capture(), delay_ms=22.5, remark="lights off")
    assert answer.status_code == 302
    run.refresh_from_db()
    assert (run.agrees, run.measured_by, run.delay_ms) == (True, owner, 22.5)
    assert run.measured["frames"] == FRAMES and run.measured["refreshes_held"] == {"2": FRAMES}
    page = client.get(run.get_absolute_url()).content.decode()
    assert "agrees with the log" in page and "2 refreshes: 30 frames" in page
    assert "lights off" in page and "Compare with the log" not in page


def test_a_capture_that_lacks_a_frame_does_not_agree(client: Client, run: Commissioning) -> None:
    enter(client, run, capture=capture(lost=(4,)))
    run.refresh_from_db()
    assert run.agrees is False and "frame 4: painted by the log but not seen" in run.verdict


def test_counts_will_do_instead(client: Client, run: Commissioning) -> None:
    enter(client, run, **COUNTED)
    run.refresh_from_db()
    assert run.agrees is True and run.measured["how"] == "counted"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "give all three of what was counted"),
        ({"missing": 0, "repeated": 0}, "give all three of what was counted"),
        ({**COUNTED, "instrument": ""}, "This field is required"),
        ({**COUNTED, "missing": -1}, "greater than or equal to 0"),
        ({**COUNTED, "capture": "time_ms,counter\n0,\n5,0\n"}, "not both"),
        ({"capture": "x,y\n"}, "names its columns"),
        ({"capture": b"\xff\xfe\x00"}, "not a CSV file in UTF-8"),
    ],
)
def test_a_measurement_that_makes_no_sense_is_refused_beside_its_cause(
    client: Client, run: Commissioning, fields: dict[str, Any], complaint: str
) -> None:
    if "capture" in fields:
        data = fields["capture"]
        data = data.encode() if isinstance(data, str) else data
        fields = {**fields, "capture": SimpleUploadedFile("c.csv", data)}
    answer = enter(client, run, **fields)
    assert answer.status_code == 422 and complaint in answer.content.decode()
    run.refresh_from_db()
    assert run.measured_at is None


def test_what_was_entered_is_never_changed(client: Client, run: Commissioning) -> None:
    enter(client, run, **COUNTED)
    answer = enter(client, run, **{**COUNTED, "missing": 3})
    assert "is measured already" in answer.content.decode()
    run.refresh_from_db()
    assert run.agrees is True
    with pytest.raises(commissioning.CommissioningError, match="entered already"):
        commissioning.record_measurement(
            run.pk, commissioning.Measurement("again", commissioning.Counts(3, 0, 1000.0)), run.by
        )


# ---- what is known of a display ------------------------------------------------------------------


def test_a_display_is_known_by_its_newest_measurement(
    client: Client, run: Commissioning, clip: CounterClip
) -> None:
    assert commissioning.standing("").state == "never"
    assert commissioning.standing("Room 3").text == "The display “Room 3” was never commissioned."
    assert commissioning.standing("Room 2").state == "unmeasured"
    enter(client, run, **COUNTED)
    known = commissioning.standing("Room 2")
    assert known.state == "agrees" and "at 60.00 Hz; light agreed with the log." in known.text
    post(client, told(clip))
    newer = Commissioning.objects.first()
    assert newer is not None and newer != run
    assert commissioning.standing("Room 2").run == run  # nobody measured the newer one
    before = timezone.now()
    enter(client, newer, **{**COUNTED, "missing": 3})
    assert commissioning.standing("Room 2").state == "differs"
    assert commissioning.standing("Room 2", before).run == run
    assert commissioning.standing("Room 2", before - timedelta(days=1)).state == "never"


def test_a_session_tells_what_is_known_of_its_display_and_is_not_held_up_by_it(
    client: Client, run: Commissioning, owner: User
) -> None:
    enter(client, run, **COUNTED)
    display = FakeDisplay(make_session(owner)).ready()
    session = display.session
    session.refresh_from_db()
    assert session.display_ready
    assert snapshots.for_console(session)["display"]["commissioning"]["state"] == "never"
    running.display_report(session.pk, display.id, [GOOD_CHECK], True, "loaded", "Room 2")
    session.refresh_from_db()
    assert "light agreed" in snapshots.for_display(session)["commissioning"]
    page = client.get(f"/sessions/{session.pk}/evidence/").content.decode()
    assert "light agreed with the log" in page
    running.start(session.pk, owner)
    showing = display.show_stimuli()
    showing.refresh_from_db()
    assert showing.evidence["display"] == "Room 2"


# ---- the clip ------------------------------------------------------------------------------------


def test_a_counter_clip_is_made_once_and_served(
    client: Client, owner: User, run_jobs: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commissioning, "SIZES", ((160, 90),))
    monkeypatch.setattr(commissioning, "SECONDS", (1,))
    client.force_login(owner)
    wish = {"size": "160x90", "rate": 30, "seconds": 1}
    first = client.post(f"{PAGE}clip/", wish).json()
    assert first == {"ready": False, "done": 0, "total": 60, "state": "waiting"}
    client.post(f"{PAGE}clip/", wish)
    assert Job.objects.count() == 1
    run_jobs()
    made = client.post(f"{PAGE}clip/", wish).json()["clip"]
    assert made["manifest"]["frames"] == 30
    answer = client.get(made["url"], headers={"range": "bytes=0-3"})
    assert answer.status_code == 206
    assert Job.objects.get().state == JobState.DONE


@pytest.mark.parametrize("wish", [{}, {"size": "x", "rate": 30, "seconds": 10}])
def test_a_clip_that_is_not_described_is_refused(
    client: Client, owner: User, wish: dict[str, Any]
) -> None:
    client.force_login(owner)
    assert client.post(f"{PAGE}clip/", wish).status_code == 400


def test_a_clip_that_is_not_offered_is_refused(client: Client, owner: User) -> None:
    client.force_login(owner)
    wish = {"size": "9999x9999", "rate": 30, "seconds": 10}
    assert client.post(f"{PAGE}clip/", wish).status_code == 422
    assert not CounterClip.objects.exists()
