"""What the export says of the displays on which a study was shown."""

from __future__ import annotations

from sessions_app.models import Commissioning, CounterClip, Showing
from tests.scoring.test_export import export, read


def test_runs_on_the_displays_of_the_study_are_exported_and_no_others(study, tmp_path):
    clip = CounterClip.objects.create(width=1920, height=1080, rate=50, seconds=10)
    phase = {"name": "clip", "frames_shown": 499, "frames_late": 1, "missed_refreshes": 2}
    for display in ("Room 2", "Room 3", "Room 4"):
        Commissioning.objects.create(
            display=display, clip=clip, browser="Chromium", screen="1 × 1", window="1 × 1",
            evidence={"phases": [phase]}, log={"refresh_hz": 50.0, "ends": 3, "painted": []},
            agrees=False, verdict="frame 3: seen after a later one",
        )  # fmt: skip
    for showing in Showing.objects.filter(cell__session__study=study)[:2]:
        showing.evidence["display"] = "Room 2"
        showing.save()
    session = study.sessions.first()
    session.display_report = {"label": "Room 4"}
    session.save()
    shown = read(export(study, tmp_path / "out"), "commissioning")
    assert [line["display"] for line in shown] == ["Room 2", "Room 4"]
    assert (shown[0]["clip"], shown[0]["frames"]) == ("1920 × 1080, 50 fps, 10 s", "500")
    assert (shown[0]["frames_painted"], shown[0]["missed_refreshes"]) == ("499", "2")
    assert (shown[0]["agrees"], shown[0]["verdict"][:8]) == ("false", "frame 3:")
