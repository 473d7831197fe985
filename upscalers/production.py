"""Low-resolution versions and PVSs: ordering them, making them in parts, putting them together.

A PVS has one job that people see. Its parts are jobs of their own on queue `gpu`, which any number
of workers share; when the last is done, the PVS's own job joins them on queue `cpu`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.db.models import Max, ProtectedError, Sum
from django.dispatch import Signal, receiver
from django.utils import timezone

from upscalers import audit, jobs, store
from upscalers.core import degrade
from upscalers.core.clip import ClipFormat, Part
from upscalers.core.cost import Cost, gflop_per_frame
from upscalers.core.errors import ClipError
from upscalers.core.video import frames_sha256
from upscalers.jobs import Progress
from upscalers.methods import Method, get_method, name_of
from upscalers.models import (
    AND,
    COSTS,
    OPEN_STATES,
    PVS,
    Chunk,
    Job,
    JobKind,
    JobState,
    LowResolution,
    Source,
)
from upscalers.services import (
    discard_low_resolution,
    discard_pvs,
    keep_clip,
    new_job,
    request_rendition,
    retry,
    sweep,
)
from upscalers.store import Sealed

SCALES = (1.5, 2, 3, 4)
RECORDED = "recorded"

# Sent inside the transaction that makes the PVS ready, for apps above that measure it.
pvs_ready = Signal()

User = jobs.User


# ---- ordering --------------------------------------------------------------------------------


def request_pvss(
    source: Source,
    methods: Iterable[str],
    scale: float,
    user: User = None,
    degradation: str = "bicubic",
) -> list[PVS]:
    """Orders what is missing of these PVSs; what is there or on its way is not made twice."""
    wanted = [get_method(slug) for slug in methods]
    for method in wanted:
        method.own_scale(degrade.exact_scale(scale))  # refuses one that does not run here
    with jobs.in_turn():
        audit.record(
            user, "PVSs ordered", source,
            scale=scale, degradation=degradation, methods=[method.slug for method in wanted],
        )  # fmt: skip
        request_rendition(source.clip, source.name, user)
        low = _request_low_resolution(source, scale, degradation, user)
        return [_request_pvs(low, method, user) for method in wanted]


def _request_low_resolution(
    source: Source, scale: float, degradation: str, user: User
) -> LowResolution:
    wanted = LowResolution.objects.filter(source=source, scale=scale, degradation=degradation)
    created = False
    if degradation == RECORDED:
        if not wanted.exists():
            raise ClipError(
                f"{source} has no recording that is {scale:g} times smaller. Upload one first."
            )
    else:
        degrade.parse_degradation(degradation)
        low, created = wanted.get_or_create(source=source, scale=scale, degradation=degradation)
    low = wanted.get()
    if created:
        title = f"Make {source} smaller, {degrade.degradation_name(degradation)} x{scale:g}"
        low.job = new_job(JobKind.DEGRADE, title, source.clip.frames, user)
        low.save(update_fields=["job"])
        jobs.enqueue(low.job)
    elif low.clip is None and low.job is not None and low.job.can_retry:
        retry(low.job, user)
    return low


def title_of(pvs: PVS) -> str:
    """For people: by the method's name, while its slug is for addresses and exports."""
    return f"{pvs.source} x{pvs.low_resolution.scale:g} with {name_of(pvs.method)}"


def _request_pvs(low: LowResolution, method: Method, user: User) -> PVS:
    pvs, created = PVS.objects.get_or_create(
        low_resolution=low, method=method.slug, weights_sha256=method.weights_sha256
    )
    if created:
        pvs.job = new_job(JobKind.UPSCALE, f"Upscale {title_of(pvs)}", low.source.clip.frames, user)
        pvs.save(update_fields=["job"])
        if low.clip_id:
            begin(pvs)
    elif pvs.clip is not None:
        request_rendition(pvs.clip, title_of(pvs), user)
    elif pvs.job is not None and pvs.job.can_retry:
        retry(pvs.job, user)
    return pvs


def begin(pvs: PVS) -> None:
    """Puts the parts that are not made yet into the queue; the PVS's own job waits for them.

    Called `in_turn`, as all that changes parts."""
    assert pvs.job is not None
    pvs.job.parts.filter(chunk=None).delete()  # of an attempt that was given up
    for number, part in enumerate(get_method(pvs.method).parts(pvs.source.clip.frames)):
        chunk = pvs.chunks.filter(number=number).select_related("job").first()
        if chunk is None:
            chunk = Chunk.objects.create(
                pvs=pvs, number=number, start=part.start, frames=part.frames,
                job=_new_chunk_job(pvs, part),
            )  # fmt: skip
        elif chunk.is_made or (chunk.job.is_open and not chunk.job.cancel_requested):
            continue
        elif not jobs.reset(chunk.job):  # it was done, or its worker has yet to notice its end
            old, chunk.job = chunk.job, _new_chunk_job(pvs, part)
            chunk.save(update_fields=["job"])
            old.delete()
        jobs.enqueue(chunk.job)
    _join_when_made(pvs)


def begin_job(job: Job, user: User) -> None:
    """Tries a PVS again, with its low-resolution version where that is missing."""
    pvs = jobs.target_of(job.upscales.select_related("low_resolution__job"))
    low = pvs.low_resolution
    if low.clip_id:
        begin(pvs)
    elif low.job is not None and low.job.can_retry:
        retry(low.job, user)


def _new_chunk_job(pvs: PVS, part: Part) -> Job:
    assert pvs.job is not None
    title = f"{title_of(pvs)}, frames {part.start} to {part.start + part.frames - 1}"
    job = new_job(JobKind.CHUNK, title, part.frames, pvs.job.requested_by)
    job.parent, job.priority = pvs.job, pvs.job.priority
    job.save(update_fields=["parent", "priority"])
    return job


def _join_when_made(pvs: PVS) -> None:
    """Called `in_turn`, so that of two last parts one sees the other."""
    job = Job.objects.filter(upscales=pvs, state__in=OPEN_STATES).first()
    if job is not None and not pvs.chunks.filter(frames_sha256="").exists():
        jobs.enqueue(job)


# ---- making ----------------------------------------------------------------------------------


def make_low_resolution(job: Job, progress: Progress) -> None:
    low = jobs.target_of(job.degrades.select_related("source__clip"))
    source_clip = low.source.clip
    with store.workspace() as folder:
        out = folder / "low.mkv"
        format, digest, recipe = degrade.make_low_resolution(
            source_clip.path, source_clip.format, out, low.factor, low.degradation,
            progress, progress.should_stop,
        )  # fmt: skip
        file = store.seal(out)
        with jobs.in_turn():
            low = jobs.target_of(LowResolution.objects.filter(pk=low.pk))
            if low.clip is None:
                low.clip, low.recipe = keep_clip(file, format, digest), recipe
                low.save(update_fields=["clip", "recipe"])
            begin_waiting(low)


def begin_waiting(low: LowResolution) -> None:
    """The PVSs that were ordered before their low-resolution version was there."""
    for pvs in low.pvss.filter(clip=None, job__state=JobState.WAITING, job__queue_id=None):
        if not pvs.chunks.exists():
            begin(pvs)


def make_chunk(job: Job, progress: Progress) -> None:
    from upscalers.core import engine

    chunk = jobs.target_of(
        Chunk.objects.filter(job=job).select_related("pvs__low_resolution__source__clip")
    )
    if chunk.is_made:
        return
    low = chunk.pvs.low_resolution
    if low.clip is None:
        raise ClipError("The low-resolution version is not there any more. Press Retry.")
    with store.workspace() as folder:
        out = folder / "part.mkv"
        result = engine.upscale(
            low.clip.path, low.clip.format, out, get_method(chunk.pvs.method), low.factor,
            on_progress=progress, should_stop=progress.should_stop,
            size=(low.source.clip.width, low.source.clip.height),
            part=Part(chunk.start, chunk.frames),
        )  # fmt: skip
        store.flush(out)
        with jobs.in_turn():
            chunk = jobs.target_of(Chunk.objects.filter(pk=chunk.pk).select_related("pvs"))
            if chunk.is_made:
                return  # another worker was thought dead and was not
            store.put(out, chunk.path)
            chunk.frames_sha256 = result.frames_sha256
            chunk.note_cost(result.device, result.cost, result.versions)
            chunk.save(update_fields=["frames_sha256", *COSTS])
            chunk.pvs.resampler = result.resampler
            chunk.pvs.save(update_fields=["resampler"])
            _join_when_made(chunk.pvs)


def join_chunks(job: Job, progress: Progress) -> None:
    pvs = jobs.target_of(
        job.upscales.select_related("low_resolution__clip", "low_resolution__source__clip")
    )
    if pvs.is_ready:
        return
    chunks = list(pvs.chunks.all())
    if not chunks:
        _begin_in_parts(pvs)
        return
    low = pvs.low_resolution
    assert low.clip is not None
    whole = low.source.clip
    format = replace(low.clip.format, width=whole.width, height=whole.height)
    with store.workspace() as folder:
        out = folder / "pvs.mkv"
        digest = _join(chunks, format, out, progress)
        file = store.seal(out)
        with jobs.in_turn():
            pvs = jobs.target_of(PVS.objects.filter(pk=pvs.pk))
            if pvs.is_ready:
                return  # another worker was thought dead and was not
            _note_costs(pvs)
            pvs.chunks.all().delete()
            finish_pvs(pvs, file, format, digest, job.requested_by)


def _begin_in_parts(pvs: PVS) -> None:
    """One that was ordered before there were parts: its job then stood in the queue itself."""
    with jobs.in_turn():
        waiting = Job.objects.filter(upscales=pvs, state__in=OPEN_STATES)
        if waiting.update(queue_id=None, worker="", attempts=0):
            begin(pvs)


def _join(chunks: list[Chunk], format: ClipFormat, out: Path, progress: Progress) -> str:
    from upscalers.core.join import MadePart, join

    lost = [chunk for chunk in chunks if not chunk.path.exists()]
    if lost:
        Chunk.objects.filter(pk__in=[chunk.pk for chunk in lost]).update(frames_sha256="")
        raise ClipError("Parts of it are not on the disk any more. Press Retry to make them again.")
    parts = [MadePart(chunk.path, chunk.frames, chunk.frames_sha256) for chunk in chunks]
    try:
        return join(parts, format, out, progress, progress.should_stop)
    except ClipError:
        damaged = [chunk.pk for chunk in chunks if not _is_whole(chunk, format)]
        Chunk.objects.filter(pk__in=damaged).update(frames_sha256="")
        raise


def _is_whole(chunk: Chunk, format: ClipFormat) -> bool:
    try:
        digest = frames_sha256(chunk.path, replace(format, frames=chunk.frames))
    except ClipError:
        return False
    return digest == chunk.frames_sha256


def _note_costs(pvs: PVS) -> None:
    """Sums over the parts; the peak of memory is that of the hungriest part."""
    chunks = list(pvs.chunks.all())
    sums = pvs.chunks.aggregate(
        wall=Sum("wall_seconds"), device=Sum("device_seconds"), joules=Sum("joules"),
        peak=Max("peak_memory_bytes"), frames=Sum("frames"),
    )  # fmt: skip
    unknown = any(chunk.joules is None for chunk in chunks)
    cost = Cost(
        sums["frames"], sums["wall"], sums["device"], None if unknown else sums["joules"],
        sums["peak"],
    )  # fmt: skip
    versions = {
        name: ", ".join(sorted({chunk.versions.get(name, "?") for chunk in chunks}))
        for name in chunks[0].versions
    }
    pvs.note_cost(AND.join(sorted({chunk.device for chunk in chunks})), cost, versions)
    method, low = get_method(pvs.method), pvs.low_resolution
    assert low.clip is not None
    pvs.gflop_per_frame = gflop_per_frame(method.flop_per_pixel, low.clip.format)
    pvs.parameters = method.parameters or None


def finish_pvs(pvs: PVS, file: Sealed, format: ClipFormat, digest: str, user: User) -> None:
    """Called `in_turn`."""
    pvs.clip = keep_clip(file, format, digest)
    pvs.made_at = timezone.now()
    pvs.save()
    request_rendition(pvs.clip, title_of(pvs), user)
    pvs_ready.send(PVS, pvs=pvs, user=user)


# ---- removing --------------------------------------------------------------------------------


def remove_pvs(pvs: PVS, user: User) -> None:
    """Removes a PVS with its clip; refused while a comparison needs it."""
    try:
        with jobs.in_turn():
            audit.record(user, "PVS removed", pvs)
            discard_pvs(pvs, user)
    except ProtectedError as error:
        raise ClipError(f"{title_of(pvs)} is part of a planned comparison and stays.") from error
    sweep(user)


def remove_low_resolution(low: LowResolution, user: User) -> None:
    """Removes a low-resolution version with all PVSs made from it."""
    try:
        with jobs.in_turn():
            audit.record(user, "low-resolution version removed", low)
            discard_low_resolution(low, user)
    except ProtectedError as error:
        raise ClipError(
            f"A PVS made from {low} is part of a planned comparison: nothing was removed."
        ) from error
    sweep(user)


# ---- ending ----------------------------------------------------------------------------------


@receiver(jobs.job_ended)
def _end_with_it(sender: object, job: Job, state: JobState, **_: Any) -> None:
    """What waits for a job ends with it, and a PVS ends with any of its parts."""
    if state == JobState.DONE:
        return
    if job.kind == JobKind.DEGRADE:
        reason = "Its low-resolution version was not made. Press Retry to make both."
        for waiting in Job.objects.filter(
            kind=JobKind.UPSCALE,
            state=JobState.WAITING,
            upscales__low_resolution__job=job,
            upscales__low_resolution__clip=None,
        ):
            jobs.finish(waiting, JobState.FAILED, reason)
    elif job.kind == JobKind.CHUNK:
        now = Job.objects.filter(pk=job.pk).select_related("parent").first()
        if now is not None:
            jobs.finish(now.parent, state, now.error)
    elif job.kind == JobKind.UPSCALE:
        for part in job.parts.filter(state__in=OPEN_STATES):
            jobs.stop(part)
        if state == JobState.CANCELLED:  # a failed one keeps its parts for another try
            Chunk.objects.filter(pvs__job=job).delete()
