"""A study and everything that is scheduled, shown and voted for it.

Rows here describe; what may change them is in `services`. The order of cells comes from
`core.planner`, the phases of a cell from `core.protocol`.
"""

from __future__ import annotations

import secrets
import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone

from sessions_app.core.commissioning import Log, Painted
from sessions_app.core.evidence import (
    LEAST_SHOWN,
    LONGEST_GAP_MS,
    MOST_LATE,
    MOST_MISSED,
    SHORTEST_GAP_MS,
    Rule,
    allowing,
)
from sessions_app.core.protocol import EXPERT_VIEWING, PROTOCOLS, Protocol
from upscalers import store
from upscalers.models import PVS, Job, Rendition, Source

# Without 0, O, 1, I and L, which look alike.
CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH = 6


def new_token() -> str:
    return secrets.token_urlsafe(24)


def new_code() -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def new_seed() -> int:
    return secrets.randbelow(2**31)


class Study(models.Model):
    """What a paper calls 'the experiment'."""

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=80, unique=True)
    question = models.TextField(blank=True, help_text="What do you want to find out?")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="owned_studies"
    )
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="studies", blank=True)
    sources = models.ManyToManyField(Source, related_name="studies", blank=True)
    methods = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    anchor = models.CharField(
        max_length=60, default="lanczos3", help_text="the method every other is compared with"
    )
    scale = models.FloatField(default=2)
    degradation = models.CharField(max_length=40, default="bicubic")
    protocol_slug = models.CharField(max_length=40, default=EXPERT_VIEWING.slug)
    vote_seconds = models.FloatField(
        default=5.0, validators=[MinValueValidator(1.0), MaxValueValidator(60.0)]
    )
    panels = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(20)]
    )
    viewers_per_panel = models.PositiveSmallIntegerField(
        default=3, validators=[MinValueValidator(1), MaxValueValidator(9)]
    )
    wait_for_votes = models.BooleanField(
        default=False, help_text="the next cell begins only when every seat has voted"
    )
    least_shown_percent = models.FloatField(
        default=100.0, blank=True, help_text="of each clip's frames",
        validators=[MinValueValidator(100 * LEAST_SHOWN), MaxValueValidator(100)],
    )  # fmt: skip
    late_allowed = models.PositiveSmallIntegerField(
        default=0, blank=True, help_text="frames of a clip",
        validators=[MaxValueValidator(MOST_LATE)],
    )  # fmt: skip
    missed_allowed = models.PositiveSmallIntegerField(
        default=0, blank=True, help_text="refreshes while a clip is on",
        validators=[MaxValueValidator(MOST_MISSED)],
    )  # fmt: skip
    longest_gap_ms = models.FloatField(
        null=True, blank=True, help_text="without a refresh; empty: not limited by itself",
        validators=[MinValueValidator(SHORTEST_GAP_MS), MaxValueValidator(LONGEST_GAP_MS)],
    )  # fmt: skip
    seed = models.BigIntegerField(default=new_seed)
    planned_at = models.DateTimeField(null=True)
    plan_notes = models.JSONField(default=list, help_text="what the planner had to say")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "studies"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("sessions:study", args=[self.slug])

    @property
    def test_sessions(self) -> models.QuerySet[Session]:
        """Those that count."""
        return self.sessions.filter(training=False)

    @property
    def protocol(self) -> Protocol:
        return PROTOCOLS[self.protocol_slug].with_vote_seconds(self.vote_seconds)

    @property
    def rule(self) -> Rule:
        """By which its showings count, unless checks of the display were overruled."""
        return allowing(
            round(self.least_shown_percent / 100, 6),
            self.late_allowed,
            self.missed_allowed,
            self.longest_gap_ms,
        )


class Pair(models.Model):
    """A comparison to be judged: the anchor's PVS against another's, of one source."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="pairs")
    first = models.ForeignKey(PVS, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(PVS, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["study", "first", "second"], name="one_pair_each")
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.first.method} against {self.second.method}"

    @property
    def source(self) -> Source:
        return self.first.low_resolution.source


class Viewer(models.Model):
    """An expert, known by a code only."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="viewers")
    code = models.CharField(max_length=20)
    panel = models.PositiveSmallIntegerField(default=1)

    class Meta:
        ordering = ["study", "code"]
        constraints = [
            models.UniqueConstraint(fields=["study", "code"], name="one_viewer_per_code")
        ]

    def __str__(self) -> str:
        return self.code


class SessionState(models.TextChoices):
    PLANNED = "planned", "planned"
    READY = "ready", "ready"
    RUNNING = "running", "running"
    PAUSED = "paused", "paused"
    FINISHED = "finished", "finished"
    ABORTED = "aborted", "ended early"


class Session(models.Model):
    """One sitting of at most 20 minutes before one display."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="sessions")
    panel = models.PositiveSmallIntegerField(default=1)
    number = models.PositiveSmallIntegerField(help_text="within the panel, from 1; 0: training")
    training = models.BooleanField(default=False, help_text="its votes never count")
    instructions_shown = models.BooleanField(default=False, help_text="on the display, just now")
    state = models.CharField(
        max_length=16, choices=SessionState.choices, default=SessionState.PLANNED
    )
    token = models.CharField(max_length=64, unique=True, default=new_token)
    secret = models.CharField(max_length=64, default=new_token, help_text="makes clip names opaque")
    display_id = models.UUIDField(null=True, help_text="the browser page that is the display")
    display_seen_at = models.DateTimeField(null=True)
    display_ready = models.BooleanField(default=False, help_text="preloaded and checked")
    display_report = models.JSONField(default=dict, help_text="checks with measured values")
    overrule_reason = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["study", "panel", "number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "panel", "number"], name="one_session_each")
        ]

    def __str__(self) -> str:
        return f"{self.study} · panel {self.panel} · {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("sessions:console", args=[self.pk])

    @property
    def title(self) -> str:
        return "training" if self.training else f"session {self.number}"

    @property
    def seconds(self) -> float:
        """How long its cells last as planned."""
        protocol = self.study.protocol
        return sum(protocol.cell_seconds(cell.source.clip.seconds) for cell in self.cells.all())

    @property
    def is_over(self) -> bool:
        return self.state in (SessionState.FINISHED, SessionState.ABORTED)


class CellKind(models.TextChoices):
    TRAINING = "training", "training"
    STABILISATION = "stabilisation", "stabilisation"
    TEST = "test", "test"


class Cell(models.Model):
    """One scheduled presentation of a pair; which PVS is A was drawn for it."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="cells")
    position = models.PositiveSmallIntegerField(help_text="in the session, from 1")
    kind = models.CharField(max_length=16, choices=CellKind.choices)
    pair = models.ForeignKey(Pair, on_delete=models.PROTECT, related_name="cells")
    a = models.ForeignKey(PVS, on_delete=models.PROTECT, related_name="+")
    b = models.ForeignKey(PVS, on_delete=models.PROTECT, related_name="+")
    repeats = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="repeated_by",
        help_text="the cell that was not shown properly and is shown again here",
    )  # fmt: skip
    skipped = models.BooleanField(default=False, help_text="left out on the coordinator's wish")

    class Meta:
        ordering = ["session", "position"]
        constraints = [
            models.UniqueConstraint(fields=["session", "position"], name="one_cell_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.session} cell {self.position}"

    @property
    def source(self) -> Source:
        return self.a.low_resolution.source


class ShowingState(models.TextChoices):
    PLAYING = "playing", "playing"
    SHOWN = "shown", "shown"
    INTERRUPTED = "interrupted", "interrupted"


class Showing(models.Model):
    """One attempt at showing a cell, with what the display measured meanwhile."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    cell = models.ForeignKey(Cell, on_delete=models.CASCADE, related_name="showings")
    state = models.CharField(
        max_length=16, choices=ShowingState.choices, default=ShowingState.PLAYING
    )
    phase = models.CharField(max_length=24, blank=True)
    phase_started_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(default=timezone.now)
    vote_opened_at = models.DateTimeField(null=True)
    vote_closed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    evidence = models.JSONField(default=dict)
    valid = models.BooleanField(null=True, help_text="unknown until the evidence is in")
    verdict = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["started_at"]

    def __str__(self) -> str:
        return f"{self.cell}, {self.state}"


class Note(models.Model):
    """What the coordinator saw happen during a session, such as a lamp that fell over."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="notes")
    showing = models.ForeignKey(
        Showing, null=True, on_delete=models.SET_NULL, related_name="notes",
        help_text="what was on at that time",
    )  # fmt: skip
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)
    text = models.CharField(max_length=500)

    class Meta:
        ordering = ["session", "at"]

    def __str__(self) -> str:
        return self.text


class SeatKind(models.TextChoices):
    DEVICE = "device", "own device"
    KEYPAD = "keypad", "keyboard at the display"
    PAPER = "paper", "paper"


class Seat(models.Model):
    """A viewer's place in a session, with the secret link of the device that votes."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="seats")
    viewer = models.ForeignKey(Viewer, on_delete=models.PROTECT, related_name="seats")
    kind = models.CharField(
        max_length=8, choices=SeatKind.choices, default=SeatKind.DEVICE, help_text="how they vote"
    )
    token = models.CharField(max_length=64, unique=True, default=new_token)
    code = models.CharField(max_length=CODE_LENGTH, unique=True, default=new_code)
    revoked_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["session", "viewer__code"]
        constraints = [
            models.UniqueConstraint(fields=["session", "viewer"], name="one_seat_per_viewer")
        ]

    def __str__(self) -> str:
        return f"{self.session} seat {self.viewer}"


class Slot(models.TextChoices):
    A = "A", "A"
    B = "B", "B"


class Vote(models.Model):
    """One score by one seat for box A or B of one showing of a cell."""

    seat = models.ForeignKey(Seat, on_delete=models.PROTECT, related_name="votes")
    showing = models.ForeignKey(Showing, on_delete=models.PROTECT, related_name="votes")
    slot = models.CharField(max_length=1, choices=Slot.choices)
    score = models.PositiveSmallIntegerField()
    cast_at = models.DateTimeField(help_text="when the viewer tapped")
    received_at = models.DateTimeField(default=timezone.now)
    changes = models.PositiveSmallIntegerField(default=0)
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+",
        help_text="who typed in what the viewer had written on paper",
    )  # fmt: skip

    class Meta:
        ordering = ["showing", "seat", "slot"]
        constraints = [
            models.UniqueConstraint(fields=["seat", "showing", "slot"], name="one_vote_per_box"),
            models.CheckConstraint(condition=models.Q(score__lte=10), name="score_in_scale"),
        ]

    def __str__(self) -> str:
        return f"{self.seat}: {self.slot} {self.score}"


class CounterClip(models.Model):
    """A clip of numbered frames for commissioning a display, made once and kept."""

    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    rate = models.PositiveSmallIntegerField()
    seconds = models.PositiveSmallIntegerField()
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="counter_clips")
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    manifest = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["width", "height", "rate", "seconds"], name="one_counter_clip_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.width} × {self.height}, {self.rate} fps, {self.seconds} s"

    @property
    def frames(self) -> int:
        return self.rate * self.seconds

    @property
    def is_ready(self) -> bool:
        return bool(self.sha256)

    @property
    def path(self) -> Path:
        return store.path_of(self.sha256, Rendition.SUFFIX)


class Commissioning(models.Model):
    """A run of a counter clip on a display, and what an instrument saw of it.

    Never edited: what was measured is entered once, and whoever has to correct it runs again.
    """

    display = models.CharField(max_length=60, help_text="what the laboratory calls it")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    clip = models.ForeignKey(CounterClip, on_delete=models.PROTECT, related_name="runs")
    browser = models.CharField(max_length=300)
    screen = models.CharField(max_length=60, help_text="in pixels")
    window = models.CharField(max_length=60, help_text="in pixels")
    evidence = models.JSONField(default=dict)
    log = models.JSONField(default=dict, help_text="frame by frame")
    measured_at = models.DateTimeField(null=True)
    measured_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    instrument = models.CharField(max_length=200, blank=True)
    measured = models.JSONField(default=dict, help_text="what the instrument saw")
    delay_ms = models.FloatField(null=True, help_text="from painting to light")
    remark = models.CharField(max_length=500, blank=True)
    agrees = models.BooleanField(null=True, help_text="light with log; unknown until measured")
    verdict = models.TextField(blank=True)

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["display", "-at"], name="commissioning_display")]

    def __str__(self) -> str:
        return f"{self.display}, {self.at:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("sessions:commissioned", args=[self.pk])

    @property
    def refresh_hz(self) -> float:
        return float(self.log["refresh_hz"])

    @property
    def told(self) -> Log:
        rows = tuple(Painted(*row) for row in self.log["painted"])
        ends, ends_ms = self.log["ends"], self.log.get("ends_ms")
        return Log(self.refresh_hz, self.clip.frames, ends, rows, ends_ms)

    @property
    def phase(self) -> dict[str, Any]:
        """What the evidence says of the clip itself."""
        return next(each for each in self.evidence["phases"] if each["name"] == "clip")
