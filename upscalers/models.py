"""What the lab keeps: clips on disk, where they came from, and the jobs that make them.

Rows here describe; the work itself is in `services` (what may change the database) and `core`
(frames in, frames out).
"""

from __future__ import annotations

import uuid
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.urls import reverse
from django.utils import timezone

from upscalers import store
from upscalers.core.clip import ClipFormat
from upscalers.core.rendition import why_not_displayable

if TYPE_CHECKING:
    from upscalers.core.cost import Cost


class JobState(models.TextChoices):
    WAITING = "waiting", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


OPEN_STATES = (JobState.WAITING, JobState.RUNNING)


class JobKind(models.TextChoices):
    INGEST = "ingest", "Ingest"
    DEGRADE = "degrade", "Low-resolution version"
    UPSCALE = "upscale", "Upscale"
    CHUNK = "chunk", "Part of an upscale"
    IMPORT = "import", "Take in a clip made elsewhere"
    RENDER = "render", "Playback file"
    MEASURE = "measure", "Metrics"
    COUNTER = "counter", "Counter clip"


class Job(models.Model):
    """Long work as the lab sees it; the queue (Procrastinate) only says who runs it when."""

    kind = models.CharField(max_length=16, choices=JobKind.choices)
    parent = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="parts",
        help_text="the job that waits for this one",
    )  # fmt: skip
    priority = models.SmallIntegerField(default=0, help_text="higher ones are taken first")
    title = models.CharField(max_length=200)
    about = models.CharField(max_length=40, blank=True, help_text="the page it belongs to")
    state = models.CharField(max_length=16, choices=JobState.choices, default=JobState.WAITING)
    done = models.PositiveIntegerField(default=0, help_text="frames done")
    total = models.PositiveIntegerField(default=0, help_text="frames in all, 0 = not known yet")
    fps = models.FloatField(default=0.0)
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=100, blank=True)
    cancel_requested = models.BooleanField(default=False)
    dismissed = models.BooleanField(default=False, help_text="its failure was read and put away")
    queue_id = models.BigIntegerField(null=True, help_text="the queue's own number for it")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["state", "-created_at"]),
            models.Index(fields=["about"], name="job_about"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def can_retry(self) -> bool:
        return self.state in (JobState.FAILED, JobState.CANCELLED)

    @property
    def offers_retry(self) -> bool:
        """What was to be brought in is kept as long as its failure is to be seen."""
        if self.kind in (JobKind.INGEST, JobKind.IMPORT):
            return self.state == JobState.FAILED and not self.dismissed
        return self.can_retry

    @property
    def parts_done(self) -> int:
        return sum(part.state == JobState.DONE for part in self.parts.all())

    @property
    def seconds_left(self) -> float | None:
        if self.state != JobState.RUNNING or not self.fps or not self.total:
            return None
        return max(0, self.total - self.done) / self.fps


class Clip(models.Model):
    """A lossless video file in the store, named by its SHA-256."""

    sha256 = models.CharField(max_length=64, unique=True)
    suffix = models.CharField(max_length=8, default=".mkv")
    size_bytes = models.BigIntegerField()
    frames_sha256 = models.CharField(
        max_length=64, db_index=True, help_text="digest of the decoded frames"
    )
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    frames = models.PositiveIntegerField()
    rate_num = models.PositiveIntegerField()
    rate_den = models.PositiveIntegerField(default=1)
    pix_fmt = models.CharField(max_length=24)
    matrix = models.CharField(max_length=24)
    range = models.CharField(max_length=8)
    primaries = models.CharField(max_length=24)
    transfer = models.CharField(max_length=24)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {float(self.rate):g} fps {self.frames} frames"

    @property
    def path(self) -> Path:
        return store.path_of(self.sha256, self.suffix)

    @property
    def rate(self) -> Fraction:
        return Fraction(self.rate_num, self.rate_den)

    @property
    def seconds(self) -> float:
        return float(self.frames / self.rate)

    @property
    def format(self) -> ClipFormat:
        return ClipFormat(
            width=self.width,
            height=self.height,
            rate=self.rate,
            frames=self.frames,
            pix_fmt=self.pix_fmt,
            matrix=self.matrix,
            range=self.range,
            primaries=self.primaries,
            transfer=self.transfer,
        )

    @property
    def bit_depth(self) -> int:
        return self.format.bit_depth

    @property
    def why_not_displayable(self) -> str:
        return why_not_displayable(self.format)


class Rendition(models.Model):
    """The playback file of a clip: H.264 lossless, with a digest per decoded frame."""

    clip = models.OneToOneField(Clip, on_delete=models.CASCADE, related_name="rendition")
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="renditions")
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    manifest = models.JSONField(default=dict)

    SUFFIX = ".h264"

    def __str__(self) -> str:
        return f"playback file of {self.clip}"

    @property
    def is_ready(self) -> bool:
        return bool(self.sha256)

    @property
    def path(self) -> Path:
        return store.path_of(self.sha256, self.SUFFIX)


class Upload(models.Model):
    """A file on its way in from a browser, resumable at `received`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    file_name = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=200, help_text="name, size and date in the browser")
    size_bytes = models.BigIntegerField(validators=[MinValueValidator(1)])
    received = models.BigIntegerField(default=0)
    options = models.JSONField(default=dict)
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="uploads")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.file_name

    @property
    def path(self) -> Path:
        return store.incoming_folder() / str(self.id)


class Source(models.Model):
    """A reference clip (SRC)."""

    name = models.SlugField(max_length=80, unique=True)
    clip = models.ForeignKey(Clip, on_delete=models.PROTECT, related_name="sources")
    file_name = models.CharField(max_length=255)
    file_sha256 = models.CharField(max_length=64, db_index=True, help_text="of the file as given")
    cut = models.JSONField(default=dict, help_text="which part of the file was taken")
    thumbnail = models.BinaryField(editable=False)
    note = models.TextField(blank=True, help_text="what was converted on the way in, if anything")
    timecode = models.CharField(
        max_length=32, blank=True, help_text="HH:MM:SS:FF on the first frame of its file"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["clip"], name="one_source_per_clip")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("upscalers:source", args=[self.name])

    @property
    def last_frame_of_file(self) -> int:
        return int(self.cut.get("start", 0)) + self.clip.frames - 1


class LowResolution(models.Model):
    """What is upscaled: a source made smaller by a named degradation, or recorded beside it."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="low_resolutions")
    scale = models.FloatField(help_text="how much smaller; its simple fraction is what is meant")
    degradation = models.CharField(max_length=40, default="bicubic")
    recipe = models.JSONField(default=dict, help_text="what was drawn or found on the way")
    file_name = models.CharField(max_length=255, blank=True, help_text="of a recording")
    clip = models.ForeignKey(Clip, null=True, on_delete=models.PROTECT, related_name="+")
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="degrades")

    class Meta:
        ordering = ["source", "scale"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "scale", "degradation"], name="one_low_resolution_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.degradation} x{self.scale:g}"

    @property
    def file_stem(self) -> str:
        return f"{self.source}-x{self.scale:g}-{self.degradation}"

    @property
    def factor(self) -> Fraction:
        return Fraction(self.scale).limit_denominator(64)


class Costs(models.Model):
    """What it took to make a clip; null where it was not measured."""

    device = models.CharField(max_length=200, blank=True)
    wall_seconds = models.FloatField(null=True)
    device_seconds = models.FloatField(null=True)
    joules = models.FloatField(null=True)
    peak_memory_bytes = models.BigIntegerField(null=True)
    versions = models.JSONField(default=dict)

    class Meta:
        abstract = True

    def note_cost(self, device: str, cost: Cost, versions: dict[str, str]) -> None:
        self.device, self.versions = device, versions
        self.wall_seconds, self.device_seconds = cost.wall_s, cost.device_s
        self.joules, self.peak_memory_bytes = cost.joules, cost.peak_memory_bytes


COSTS = [field.name for field in Costs._meta.local_fields]
AND = " and "  # between the kinds of device that made the parts of a PVS


class PVS(Costs):
    """Processed video sequence: a source, made small, upscaled by one method."""

    low_resolution = models.ForeignKey(LowResolution, on_delete=models.PROTECT, related_name="pvss")
    method = models.CharField(max_length=60)
    weights_sha256 = models.CharField(max_length=64, blank=True)
    clip = models.ForeignKey(Clip, null=True, on_delete=models.PROTECT, related_name="pvss")
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="upscales")
    resampler = models.CharField(max_length=40, blank=True, help_text="run after the method")
    gflop_per_frame = models.FloatField(null=True)
    parameters = models.BigIntegerField(null=True, help_text="of the network")
    alignment = models.JSONField(default=dict, help_text="of a PVS made elsewhere, as found")
    file_name = models.CharField(max_length=255, blank=True, help_text="of a PVS made elsewhere")
    made_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["low_resolution", "method"]
        constraints = [
            models.UniqueConstraint(
                fields=["low_resolution", "method", "weights_sha256"], name="one_pvs_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.low_resolution} {self.method}"

    def get_absolute_url(self) -> str:
        return reverse("upscalers:pvs", args=[self.pk])

    @property
    def source(self) -> Source:
        return self.low_resolution.source

    @property
    def is_ready(self) -> bool:
        return self.clip_id is not None

    @property
    def file_stem(self) -> str:
        return f"{self.low_resolution.file_stem}-{self.method}"

    @property
    def made_on_several(self) -> bool:
        """Kinds of device. Each computes a little differently, so that its parts may too."""
        return AND in self.device

    @property
    def frames_per_second(self) -> float | None:
        if self.clip is None or not self.wall_seconds:
            return None
        return self.clip.frames / self.wall_seconds


class Chunk(Costs):
    """A part of a PVS that one job makes; its file goes when the PVS is put together."""

    pvs = models.ForeignKey(PVS, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    start = models.PositiveIntegerField()
    frames = models.PositiveIntegerField()
    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="chunk")
    frames_sha256 = models.CharField(max_length=64, blank=True, help_text="when it is made")

    class Meta:
        ordering = ["pvs", "number"]
        constraints = [
            models.UniqueConstraint(fields=["pvs", "number"], name="one_chunk_each"),
        ]

    def __str__(self) -> str:
        return f"{self.pvs} frames {self.start} to {self.start + self.frames - 1}"

    @property
    def is_made(self) -> bool:
        return bool(self.frames_sha256)

    @property
    def path(self) -> Path:
        """By number, not by content: two parts of a clip may be equal, and each has its own end."""
        return store.parts_folder() / f"{self.pvs_id}-{self.number}-{self.pk}.mkv"


@receiver(post_delete, sender=Chunk)
def _discard_file(sender: object, instance: Chunk, **_: Any) -> None:
    path = instance.path
    transaction.on_commit(lambda: path.unlink(missing_ok=True))


class Worker(models.Model):
    """A process that takes jobs, as it last reported itself."""

    name = models.CharField(max_length=100, primary_key=True)
    queues = models.CharField(max_length=100)
    device = models.CharField(max_length=200, blank=True)
    seen_at = models.DateTimeField(db_index=True, help_text="by the database's clock")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Hold(models.Model):
    """While it is there, nothing of a queue is begun; what runs goes on to its end."""

    queue = models.CharField(max_length=20, primary_key=True)
    by = models.CharField(max_length=150)
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.queue} held by {self.by}"


class AuditEntry(models.Model):
    """Who did what; only ever added to."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    who = models.CharField(max_length=150, help_text="account name, kept when the account goes")
    action = models.CharField(max_length=60)
    what = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.who}: {self.action}, {self.what}"
