"""Commissioning a display: its counter clip, the runs of it, and what was measured of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format

from sessions_app.core.commissioning import (
    BadCapture,
    BadLog,
    Comparison,
    Log,
    compare,
    compare_counts,
    look_at,
    parse_log,
    read_capture,
    refreshes_held,
)
from sessions_app.core.evidence import BadEvidence, parse_evidence
from sessions_app.models import Commissioning, CounterClip
from upscalers import audit, jobs, store
from upscalers.jobs import Progress
from upscalers.models import Job, JobKind, Rendition
from upscalers.services import keep_playback_file, new_job, retry

SIZES = ((1280, 720), (1920, 1080), (3840, 2160))
RATES = (25, 30, 50, 60)
SECONDS = (10, 30)
LABEL_LENGTH = 60


class CommissioningError(Exception):
    """Why a run or a measurement cannot be kept; the message says what to do."""


# ---- the clip ------------------------------------------------------------------------------------


def request_clip(size: tuple[int, int], rate: int, seconds: int, user: Any) -> CounterClip:
    """Orders a counter clip, once."""
    if size not in SIZES or rate not in RATES or seconds not in SECONDS:
        raise CommissioningError("There is no counter clip of this size, rate and length.")
    with jobs.in_turn():
        clip, created = CounterClip.objects.get_or_create(
            width=size[0], height=size[1], rate=rate, seconds=seconds
        )
        if clip.is_ready:
            return clip
        if created or clip.job is None:
            clip.job = new_job(JobKind.COUNTER, f"Counter clip, {clip}", 2 * clip.frames, user)
            clip.save(update_fields=["job"])
            jobs.enqueue(clip.job)
        elif clip.job.can_retry:
            retry(clip.job, user)
    return clip


def make_clip(job: Job, progress: Progress) -> None:
    from upscalers.core.counter_clip import counter_format, make_counter_clip

    wanted = jobs.target_of(job.counter_clips.all())
    fmt = counter_format(wanted.width, wanted.height, wanted.rate, wanted.seconds)
    with store.workspace() as folder:
        out = folder / f"counter{Rendition.SUFFIX}"
        manifest = make_counter_clip(fmt, out, progress, progress.should_stop)
        keep_playback_file(CounterClip.objects.filter(pk=wanted.pk), out, manifest)


# ---- runs and measurements -----------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What the commissioning page tells of a run."""

    display: str
    browser: str
    screen: str
    window: str
    evidence: Any
    log: Any


def record_run(clip: CounterClip, run: Run, user: Any) -> Commissioning:
    label = clean_label(run.display)
    try:
        evidence = parse_evidence(run.evidence)
        parse_log(run.log, clip.frames)
    except (BadEvidence, BadLog) as error:
        raise CommissioningError(f"The run cannot be kept: {error}.") from error
    if evidence.clips.get("clip") != clip.sha256:
        raise CommissioningError("The run cannot be kept: it was of another clip.")
    if "clip" not in {phase.name for phase in evidence.phases}:
        raise CommissioningError("The run cannot be kept: it does not say how the clip was shown.")
    with transaction.atomic():
        made = Commissioning.objects.create(
            display=label, by=user, clip=clip, browser=run.browser[:300], screen=run.screen[:60],
            window=run.window[:60], evidence=run.evidence, log=run.log,
        )  # fmt: skip
        audit.record(user, "counter clip played", made)
    return made


def clean_label(text: str) -> str:
    label = " ".join(text.split())
    if not label or len(label) > LABEL_LENGTH or "\x00" in label:
        raise CommissioningError(f"Give the display a name of 1 to {LABEL_LENGTH} characters.")
    return label


@dataclass(frozen=True)
class Counts:
    """What somebody counted, as with a photodiode."""

    missing: int
    repeated: int
    duration_ms: float


@dataclass(frozen=True)
class Measurement:
    instrument: str
    seen: Counts | str  # a text is the CSV of a capture
    delay_ms: float | None = None
    remark: str = ""


def record_measurement(pk: int, measurement: Measurement, user: Any) -> Commissioning:
    """Compares what was seen with the log of its run, once and for all."""
    with transaction.atomic():
        run = Commissioning.objects.select_for_update(of=("self",)).get(pk=pk)
        if run.measured_at:
            raise CommissioningError(
                "What was measured of this run is entered already and is not changed: play the "
                "clip again and measure that."
            )
        try:
            run.measured, comparison = _compared(measurement.seen, run.told)
        except BadCapture as error:
            raise CommissioningError(str(error)) from error
        run.agrees, run.verdict = comparison.agrees, str(comparison)
        run.instrument, run.remark = measurement.instrument, measurement.remark
        run.delay_ms = measurement.delay_ms
        run.measured_at, run.measured_by = timezone.now(), user
        run.save()
        audit.record(user, "display commissioned", run, agrees=run.agrees, verdict=run.verdict)
    return run


def _compared(seen: Counts | str, log: Log) -> tuple[dict[str, Any], Comparison]:
    """What is kept of a measurement, and what follows from it."""
    if isinstance(seen, Counts):
        found = compare_counts(seen.missing, seen.repeated, seen.duration_ms, log)
        return {"how": "counted", **asdict(seen)}, found
    samples = read_capture(seen)
    looked = look_at(samples, log)
    kept = {
        "how": "captured",
        "samples": len(samples),
        "interval_ms": round(looked.interval_ms, 3),
        "frames": looked.frames,
        "missing": list(looked.missing),
        "backwards": list(looked.backwards),
        "foreign": looked.foreign,
        "refreshes_held": refreshes_held(looked, log),
        "duration_ms": None if looked.duration_ms is None else round(looked.duration_ms, 3),
    }
    return kept, compare(looked, log)


# ---- what is known of a display ------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """Whether a display's log may be believed, as far as anybody measured."""

    state: Literal["agrees", "differs", "unmeasured", "never"]
    text: str
    run: Commissioning | None = None


def standing(label: str, before: datetime | None = None) -> Standing:
    """By the newest measurement, or the newest at a time that is past."""
    if not label:
        return Standing("never", "This display has no name yet: it was never commissioned.")
    runs = Commissioning.objects.filter(display=label).select_related("clip")
    measured = runs.filter(measured_at__isnull=False).order_by("-at")
    if before:
        runs, measured = runs.filter(at__lte=before), measured.filter(measured_at__lte=before)
    run = measured.first()
    if run is None:
        played = runs.first()
        if played is None:
            return Standing("never", f"The display “{label}” was never commissioned.")
        text = f"The display “{label}” played the counter clip on {_day(played.at)}, but nobody "
        return Standing("unmeasured", f"{text}entered what an instrument saw of it.", played)
    outcome = "agreed" if run.agrees else "did not agree"
    text = f"The display “{label}” was commissioned on {_day(run.at)} at {run.refresh_hz:.2f} Hz; "
    return Standing(
        "agrees" if run.agrees else "differs", f"{text}light {outcome} with the log.", run
    )


def _day(at: datetime) -> str:
    return date_format(timezone.localtime(at), "j M Y")
