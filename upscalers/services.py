"""Everything that may change clips, sources, PVSs and their jobs: one function per action."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, Q, QuerySet
from django.dispatch import Signal, receiver
from django.utils import timezone
from django.utils.text import slugify

from upscalers import audit, jobs, store
from upscalers.core import pictures, video
from upscalers.core.clip import ClipFormat, Cut, RawParameters
from upscalers.core.errors import ClipError
from upscalers.core.rendition import Manifest, make_rendition
from upscalers.jobs import Progress
from upscalers.models import (
    OPEN_STATES,
    PVS,
    Chunk,
    Clip,
    Job,
    JobKind,
    JobState,
    LowResolution,
    Rendition,
    Source,
    Upload,
)
from upscalers.store import Sealed

log = logging.getLogger("midgrey.material")

# Their uploads would be lost.
NEVER_CANCELLED_WITH_ALL = (JobKind.INGEST, JobKind.IMPORT)
ABANDONED_WORK = timedelta(days=1)
ABANDONED_UPLOAD = timedelta(days=14)
ABANDONED_PARTS = timedelta(days=14)

# Sent before a PVS is removed, for apps above that still work on it.
pvs_going = Signal()

User = jobs.User
OnProgress = Callable[[int, int], None] | None
ShouldStop = Callable[[], bool] | None


# ---- clips -----------------------------------------------------------------------------------


def keep_clip(file: Sealed, format: ClipFormat, frames_sha256: str) -> Clip:
    """Takes a finished lossless file into the store and describes it; called `in_turn`."""
    file.keep()
    clip, _ = Clip.objects.get_or_create(
        sha256=file.sha256,
        defaults={
            "suffix": file.suffix,
            "size_bytes": file.size,
            "frames_sha256": frames_sha256,
            "width": format.width,
            "height": format.height,
            "frames": format.frames,
            "rate_num": format.rate.numerator,
            "rate_den": format.rate.denominator,
            "pix_fmt": format.pix_fmt,
            "matrix": format.matrix,
            "range": format.range,
            "primaries": format.primaries,
            "transfer": format.transfer,
        },
    )
    return clip


def request_rendition(clip: Clip, title: str, user: User = None) -> Rendition | None:
    """Orders the playback file of a clip, once; none where the display could not play it."""
    if clip.why_not_displayable:
        return None
    with jobs.in_turn():
        wanted, created = Rendition.objects.get_or_create(clip=clip)
        if created:
            wanted.job = new_job(JobKind.RENDER, f"Playback file of {title}", clip.frames, user)
            wanted.save(update_fields=["job"])
            jobs.enqueue(wanted.job)
        elif not wanted.is_ready and wanted.job is not None and wanted.job.can_retry:
            retry(wanted.job, user)
    return wanted


def render(job: Job, progress: Progress) -> None:
    wanted = jobs.target_of(job.renditions.select_related("clip"))
    with store.workspace() as folder:
        out = folder / f"rendition{Rendition.SUFFIX}"
        manifest = make_rendition(
            wanted.clip.path, wanted.clip.format, out, progress, progress.should_stop
        )
        if manifest.frames_sha256 != wanted.clip.frames_sha256:
            raise ClipError(
                f"The clip {wanted.clip.path.name} is not what was written any more. Check the "
                "disk, then remove what it belongs to and make that again."
            )
        keep_playback_file(Rendition.objects.filter(pk=wanted.pk), out, manifest)


def keep_playback_file(rows: QuerySet[Any], out: Path, manifest: Manifest) -> None:
    """For the one row that still wants it."""
    file = store.seal(out)
    with jobs.in_turn():
        wanted = jobs.target_of(rows)
        file.keep()
        wanted.sha256, wanted.size_bytes = file.sha256, file.size
        wanted.manifest = manifest.as_json()
        wanted.save(update_fields=["sha256", "size_bytes", "manifest"])


# ---- sources ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ingest:
    """What to take from a file and under which name."""

    file_name: str
    name: str = ""
    cut: Cut = field(default_factory=Cut)
    raw: RawParameters | None = None
    rate: Fraction | None = None


def ingest(
    path: Path,
    wish: Ingest,
    user: User = None,
    on_progress: OnProgress = None,
    should_stop: ShouldStop = None,
    upload: Upload | None = None,
) -> Source:
    """Makes a source of a file, or raises ClipError and leaves nothing behind.

    The upload it came by ends with the same commit, so that a job run twice knows it is done.
    """
    file_sha256 = _input_sha256(path)
    cut = asdict(wish.cut)
    twin = Source.objects.filter(file_sha256=file_sha256, cut=_as_json(cut)).first()
    if twin:
        raise ClipError(f"{wish.file_name} is already here as source “{twin.name}”.")
    with store.workspace() as folder:
        master = folder / "master.mkv"
        format, frames_sha256 = video.make_master(
            path, master, wish.cut, wish.raw, wish.rate,
            on_progress=on_progress, should_stop=should_stop,
        )  # fmt: skip
        twin = Source.objects.filter(
            clip__frames_sha256=frames_sha256, clip__rate_num=format.rate.numerator,
            clip__rate_den=format.rate.denominator, clip__pix_fmt=format.pix_fmt,
        ).first()  # fmt: skip
        if twin:
            raise ClipError(
                f"{wish.file_name} shows exactly the same pictures as source “{twin.name}”, "
                "which is already here."
            )
        timecode = video.timecode_of(path) if path.is_file() and wish.raw is None else ""
        picture = folder / "thumbnail.jpg"
        video.make_thumbnail(master, format, picture)
        file = store.seal(master)
        with jobs.in_turn():
            source = _create_source(
                keep_clip(file, format, frames_sha256), wish, cut, file_sha256,
                picture.read_bytes(), _conversion(path), user,
            )  # fmt: skip
            source.timecode = timecode
            source.save(update_fields=["timecode"])
            request_rendition(source.clip, source.name, user)
            audit.record(user, "source added", source, file=wish.file_name)
            if upload is not None:
                discard_upload(upload)
    return source


def _create_source(
    clip: Clip,
    wish: Ingest,
    cut: dict[str, Any],
    file_sha256: str,
    thumbnail: bytes,
    note: str,
    user: User,
) -> Source:
    stem = slugify(wish.name or Path(wish.file_name).stem)[:70] or "source"
    name, number = stem, 2
    while Source.objects.filter(name=name).exists():
        name, number = f"{stem}-{number}", number + 1
    try:
        return Source.objects.create(
            name=name,
            clip=clip,
            file_name=wish.file_name[:255],
            file_sha256=file_sha256,
            cut=_as_json(cut),
            note=note,
            thumbnail=thumbnail,
            owner=user,
        )
    except IntegrityError as error:
        raise ClipError(f"{wish.file_name} was added by somebody else just now.") from error


def _conversion(path: Path) -> str:
    if not pictures.is_sequence(path):
        return ""
    return "from RGB pictures to 8-bit 4:2:0, BT.709, limited range"


def _as_json(cut: dict[str, Any]) -> dict[str, Any]:
    return {key: list(v) if isinstance(v, tuple) else v for key, v in cut.items()}


def _input_sha256(path: Path) -> str:
    """One digest for a file, or for all pictures of a sequence in order."""
    if path.is_file():
        return store.file_sha256(path)
    return store.joint_sha256(pictures.find(path).files)


def request_ingest(upload: Upload) -> Job:
    """Orders a complete upload to be made a source."""
    with transaction.atomic():
        upload.job = new_job(JobKind.INGEST, f"Ingest {upload.file_name}", 0, upload.owner)
        upload.save(update_fields=["job"])
        jobs.enqueue(upload.job)
    return upload.job


def ingest_upload(job: Job, progress: Progress) -> None:
    upload = job.uploads.first()
    if upload is None:
        return  # it was made a source, and its worker died before it could say so
    wish = Ingest(upload.file_name, **ingest_options(upload.options))
    try:
        ingest(upload.path, wish, upload.owner, progress, progress.should_stop, upload)
    except ClipError as error:
        raise ClipError(str(error).replace(upload.path.name, upload.file_name)) from error


@receiver(jobs.job_ended)
def _discard_what_was_uploaded(sender: object, job: Job, state: JobState, **_: Any) -> None:
    """What failed is kept, so that it can be tried again without sending it again."""
    if state != JobState.FAILED:
        _discard_uploads_of(job)


def _discard_uploads_of(job: Job) -> None:
    for upload in job.uploads.all():
        discard_upload(upload)


def ingest_options(options: dict[str, Any]) -> dict[str, Any]:
    """What a browser or the command line asked for, as the core wants it; refuses nonsense."""
    try:
        crop = options.get("crop")
        raw = options.get("raw")
        return {
            "name": str(options.get("name") or ""),
            "cut": Cut(
                start=int(options.get("start") or 0),
                frames=int(options["frames"]) if options.get("frames") else None,
                crop=_crop(crop) if crop else None,
            ),
            "raw": _raw(raw) if raw else None,
        }
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ClipError(f"These ingest options make no sense: {error}") from error


def _crop(text: str) -> tuple[int, int, int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)\+(\d+)\+(\d+)", text.strip())
    if not found:
        raise ClipError(f"“{text}” is not a crop: write WIDTHxHEIGHT+X+Y, such as 640x360+320+180.")
    width, height, x, y = map(int, found.groups())
    return width, height, x, y


def _raw(text: str) -> RawParameters:
    found = re.fullmatch(r"(\d+)x(\d+)@([\d./]+):(\w+)", text.strip())
    if not found:
        raise ClipError(
            f"“{text}” does not describe raw video: write WIDTHxHEIGHT@RATE:FORMAT, such as "
            "1920x1080@50:yuv420p."
        )
    width, height, rate, pix_fmt = found.groups()
    return RawParameters(int(width), int(height), Fraction(rate), pix_fmt)


def discard_abandoned() -> None:
    """Files nobody will come back for: of killed workers, and uploads given up long ago."""
    cleared = store.clear_abandoned_workspaces(ABANDONED_WORK.total_seconds())
    if cleared:
        log.info("%s unfinished folders of dead workers are removed", cleared)
    long_ago = timezone.now() - ABANDONED_UPLOAD
    broken_off = Q(job=None, updated_at__lt=long_ago)
    failed = Q(job__state=JobState.FAILED, job__finished_at__lt=long_ago)
    for upload in Upload.objects.filter(broken_off | failed):
        log.info("upload %s of %s was given up", upload.file_name, upload.owner)
        discard_upload(upload)
    _discard_abandoned_parts()


def _discard_abandoned_parts() -> None:
    """Of PVSs that failed long ago, and files whose worker was killed before it could say so."""
    with jobs.in_turn():
        Chunk.objects.filter(
            pvs__job__state=JobState.FAILED,
            pvs__job__finished_at__lt=timezone.now() - ABANDONED_PARTS,
        ).delete()
        Job.objects.filter(kind=JobKind.CHUNK, parent=None, chunk=None).delete()
        wanted = {chunk.path for chunk in Chunk.objects.all()}
        store.clear_parts(wanted, ABANDONED_WORK.total_seconds())


def discard_upload(upload: Upload) -> None:
    path = upload.path
    upload.delete()
    transaction.on_commit(lambda: path.unlink(missing_ok=True))


def rename_source(source: Source, name: str, user: User) -> None:
    wanted = slugify(name)[:80]
    if not wanted:
        raise ClipError("A name needs at least one letter or digit.")
    if Source.objects.filter(name=wanted).exclude(pk=source.pk).exists():
        raise ClipError(f"There is already a source called “{wanted}”.")
    audit.record(user, "source renamed", source, to=wanted)
    source.name = wanted
    source.save(update_fields=["name"])


def remove_source(source: Source, user: User) -> None:
    """Removes a source with its PVSs; refused while a study uses it."""
    studies = source.studies.count()
    if studies:  # by number: not everybody may know of all of them
        by = "a study" if studies == 1 else f"{studies} studies"
        raise ClipError(f"{source.name} is used by {by}. Take it out of there first.")
    try:
        with jobs.in_turn():
            audit.record(user, "source removed", source)
            for low in source.low_resolutions.all():
                discard_low_resolution(low, user)
            source.delete()
    except ProtectedError as error:
        raise ClipError(f"{source.name} is still used by a planned comparison.") from error
    sweep(user)


def discard_low_resolution(low: LowResolution, user: User) -> None:
    for pvs in low.pvss.all():
        discard_pvs(pvs, user)
    cancel_if_open(low.job, user)
    low.delete()


def discard_pvs(pvs: PVS, user: User) -> None:
    """With what is still being done for it; its clip goes when things are swept."""
    cancel_if_open(pvs.job, user)
    pvs_going.send(PVS, pvs=pvs, user=user)
    pvs.delete()


def sweep(user: User = None) -> None:
    """Deletes clips nothing refers to any more, rows and files."""
    lost = Clip.objects.filter(
        sources__isnull=True, pvss__isnull=True
    ).exclude(pk__in=LowResolution.objects.exclude(clip=None).values("clip"))  # fmt: skip
    for clip in lost:
        try:
            with jobs.in_turn():
                _discard_clip(clip, user)
        except ProtectedError:
            log.info("%s was taken into use again just now and stays", clip)


def _discard_clip(clip: Clip, user: User) -> None:
    rendition = Rendition.objects.filter(clip=clip).select_related("job").first()
    if rendition is not None:
        cancel_if_open(rendition.job, user)
    clip.delete()
    transaction.on_commit(lambda: _forget_file(clip.path, Clip.objects.filter(sha256=clip.sha256)))
    if rendition is not None and rendition.is_ready:
        same = Rendition.objects.filter(sha256=rendition.sha256)
        transaction.on_commit(lambda: _forget_file(rendition.path, same))


def _forget_file(path: Path, users: QuerySet[Any]) -> None:
    """Unless the same bytes were kept again meanwhile."""
    with jobs.in_turn():
        if not users.exists():
            path.unlink(missing_ok=True)


# ---- jobs ------------------------------------------------------------------------------------


def new_job(kind: JobKind, title: str, total: int, user: User) -> Job:
    """Not yet enqueued: what it is about has to point at it first."""
    return Job.objects.create(kind=kind, title=title[:200], total=total, requested_by=user)


def cancel(job: Job, user: User = None) -> None:
    """A waiting job ends at once, a running one at its next frame. A part ends with the whole."""
    if not cancel_if_open(job, user):
        job = _whole(job) or job
        raise ClipError(f"“{job.title}” is {job.get_state_display()} already.")


def cancel_if_open(job: Job | None, user: User = None) -> bool:
    """Whether it was: by now it may have ended by itself, or with another."""
    with jobs.in_turn():
        job = _whole(job)
        if job is None or not job.is_open:
            return False
        audit.record(user, "job cancelled", job)
        jobs.stop(job)
        return True


def _whole(job: Job | None) -> Job | None:
    """As it is now: the job itself, or that of which it is a part. None if it is gone."""
    return job and Job.objects.filter(pk=job.parent_id or job.pk).first()


def cancel_all(user: User = None) -> int:
    """Ends everything but what is being brought in; says how much that was."""
    wanted = Job.objects.filter(parent=None, state__in=OPEN_STATES)
    found = list(wanted.exclude(kind__in=NEVER_CANCELLED_WITH_ALL))
    return sum(cancel_if_open(job, user) for job in found)


def hold(queue: str, user: User) -> None:
    audit.record(user, "queue held", queue)
    jobs.hold(queue, str(user))


def release(queue: str, user: User) -> None:
    audit.record(user, "queue released", queue)
    jobs.release(queue)


def prioritise(job: Job, priority: int, user: User) -> None:
    if not job.is_open:
        raise ClipError(f"“{job.title}” is {job.get_state_display()} already.")
    audit.record(user, "job prioritised", job, priority=priority)
    jobs.prioritise(job, priority)


def retry(job: Job, user: User = None) -> None:
    with jobs.in_turn():
        job = _whole(job) or job
        why_not = why_no_retry(job)
        if why_not:
            raise ClipError(why_not)
        jobs.reset(job)
        audit.record(user, "job retried", job)
        jobs.begin(job, user)


def dismiss(job: Job) -> None:
    """Puts a failure that has been read out of sight. What it is about stays as it is, but a file
    that could not be taken in goes."""
    with jobs.in_turn():
        if Job.objects.filter(pk=job.pk, state=JobState.FAILED).update(dismissed=True):
            _discard_uploads_of(job)


def why_no_retry(job: Job) -> str:
    if not job.can_retry:
        return f"“{job.title}” is {job.get_state_display()}: there is nothing to retry."
    if job.kind in (JobKind.INGEST, JobKind.IMPORT) and not job.uploads.exists():
        return "The file was not kept. Upload it again."
    return ""
