"""What a lab brings besides sources: recordings, PVSs made elsewhere, weights of its own.

Each comes as an upload whose options say what it is for; a job then checks it and takes it in.
What does not fit is refused with the reason and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.text import slugify

from upscalers import audit, jobs, production, services, store
from upscalers.core.clip import ClipFormat, Cut
from upscalers.core.errors import ClipError, MethodError
from upscalers.jobs import Progress
from upscalers.methods import Method, all_methods, get_method, lab
from upscalers.models import PVS, Job, JobKind, LowResolution, Source, Upload

Options = Mapping[str, Any]
SOURCE_PK = "source_pk"


@dataclass(frozen=True)
class Purpose:
    check: Callable[[Options], None]
    title: Callable[[Options, str], str]
    about: Callable[[Options], str]
    take_in: Callable[[Upload, Path, Progress], None]


def purpose_of(options: Options) -> Purpose:
    try:
        return PURPOSES[options["purpose"]]
    except KeyError:
        raise ClipError("This upload does not say what it is for. Reload the page.") from None


def check(options: Options) -> dict[str, Any]:
    """Before anything is sent: whether the upload could be of use at all; what to keep of it."""
    wish = {key: value for key, value in options.items() if key != SOURCE_PK}
    if wish.get("purpose", "source") == "source":
        services.ingest_options(wish)
        return wish
    purpose_of(wish).check(wish)
    return wish | {SOURCE_PK: _source(wish).pk} if "source" in wish else wish


def request(upload: Upload) -> Job:
    """Orders a complete upload to be checked and taken in."""
    if upload.options.get("purpose", "source") == "source":
        return services.request_ingest(upload)
    purpose = purpose_of(upload.options)
    with transaction.atomic():
        job = services.new_job(
            JobKind.IMPORT, purpose.title(upload.options, upload.file_name), 0, upload.owner
        )
        job.about = purpose.about(upload.options)
        job.save(update_fields=["about"])
        upload.job = job
        upload.save(update_fields=["job"])
        jobs.enqueue(job)
    return job


def take_in(job: Job, progress: Progress) -> None:
    upload = job.uploads.first()
    if upload is None:
        return  # it was taken in, and its worker died before it could say so
    if "source" in upload.options:
        jobs.target_of(_sources(upload.options))
    with store.workspace() as folder:  # of this try alone: a killed one leaves a link behind
        path = folder / f"{upload.pk}{Path(upload.file_name).suffix.lower()}"
        path.hardlink_to(upload.path)  # some formats are known by their names only
        try:
            purpose_of(upload.options).take_in(upload, path, progress)
        except ClipError as error:
            raise type(error)(str(error).replace(path.name, upload.file_name)) from error


def about_source(source: Source) -> str:
    return f"source {source.pk}"


def open_or_failed(about: str) -> list[Job]:
    """For the page it is about: what is on its way in, and what was refused and not yet read."""
    ended_well = (jobs.JobState.DONE, jobs.JobState.CANCELLED)
    found = Job.objects.filter(about=about, kind=JobKind.IMPORT, dismissed=False)
    return list(found.exclude(state__in=ended_well))


def _sources(options: Options) -> QuerySet[Source]:
    """By number where it is known: the name may change while an upload is under way."""
    if SOURCE_PK in options:
        return Source.objects.filter(pk=options[SOURCE_PK])
    return Source.objects.filter(name=options.get("source", ""))


def _source(options: Options) -> Source:
    found = _sources(options).select_related("clip").first()
    if found is None:
        raise ClipError("The source this belongs to is not there any more.")
    return found


def _source_about(options: Options) -> str:
    return about_source(_source(options))


# ---- a recording made beside a source --------------------------------------------------------


def _check_recording(options: Options) -> None:
    _source(options)


def _take_recording(upload: Upload, path: Path, progress: Progress) -> None:
    from upscalers.core import align, video

    source = _source(upload.options)
    fmt = video.probe(path)
    scale, found = align.check_recording(
        source.clip.path, source.clip.format, path, fmt, upload.file_name,
        progress, progress.should_stop, (source.timecode, video.timecode_of(path)),
    )  # fmt: skip
    if found.frame_offset_by_timecode is not None:  # it is that of the file's first frame
        first = found.frame_offset_by_timecode + int(source.cut.get("start") or 0)
        found = replace(found, frame_offset_by_timecode=first)
    _refuse_twin(source, float(scale))
    cut = Cut(start=found.frame_offset, frames=source.clip.frames)
    with store.workspace() as folder:
        out = folder / "low.mkv"
        format, digest = video.make_master(
            path, out, cut, on_progress=progress, should_stop=progress.should_stop
        )
        file = store.seal(out)
        with jobs.in_turn():
            jobs.target_of(Source.objects.filter(pk=source.pk))
            _refuse_twin(source, float(scale))
            low = LowResolution.objects.create(
                source=source, scale=float(scale), degradation=production.RECORDED,
                clip=services.keep_clip(file, format, digest), file_name=upload.file_name,
                recipe={"recording": upload.file_name, "alignment": found.as_json(),
                        "first_frame": cut.start},
            )  # fmt: skip
            audit.record(upload.owner, "recording added", low, file=upload.file_name)
            services.discard_upload(upload)


def _refuse_twin(source: Source, scale: float) -> None:
    if source.low_resolutions.filter(scale=scale, degradation=production.RECORDED).exists():
        raise ClipError(
            f"{source} has a recording that is {scale:g} times smaller already. Remove that first."
        )


# ---- a PVS made elsewhere --------------------------------------------------------------------


def _check_pvs(options: Options) -> None:
    _low_and_slot(options)


def _low_and_slot(options: Options) -> LowResolution:
    """The low-resolution version it was made from, if that has no such PVS yet."""
    source, method = _source(options), get_method(str(options.get("method", "")))
    wanted = str(options.get("low_resolution", ""))
    low = source.low_resolutions.filter(pk=wanted).first() if wanted.isdecimal() else None
    if low is None:
        raise ClipError("Choose the low-resolution version it was made from.")
    if low.pvss.filter(method=method.slug, weights_sha256=method.weights_sha256).exists():
        raise ClipError(f"There is a PVS of {source} by {method.name} already. Remove that first.")
    return low


def _take_pvs(upload: Upload, path: Path, progress: Progress) -> None:
    from upscalers.core import align, video

    source, method = _source(upload.options), get_method(upload.options["method"])
    low = _low_and_slot(upload.options)
    fmt: ClipFormat = video.probe(path)
    found = align.check_pvs(
        source.clip.path, source.clip.format, path, fmt, upload.file_name,
        progress, progress.should_stop,
    )  # fmt: skip
    with store.workspace() as folder:
        out = folder / "pvs.mkv"
        format, digest = video.make_master(
            path, out, on_progress=progress, should_stop=progress.should_stop
        )
        kept = store.seal(out)
        with jobs.in_turn():
            low = jobs.target_of(LowResolution.objects.filter(pk=low.pk))
            _low_and_slot(upload.options)
            pvs = PVS(
                low_resolution=low, method=method.slug, weights_sha256=method.weights_sha256,
                alignment=found.as_json(), file_name=upload.file_name, device="made elsewhere",
                parameters=method.parameters or None,
            )  # fmt: skip
            production.finish_pvs(pvs, kept, format, digest, upload.owner)
            audit.record(upload.owner, "PVS added", pvs, file=upload.file_name)
            services.discard_upload(upload)


# ---- weights of a lab's own ------------------------------------------------------------------

_STATED = ("slug", "name", "licence", "citation", "description")


def _stated(options: Options) -> dict[str, str]:
    stated = {key: str(options.get(key) or "").strip() for key in _STATED}
    stated["slug"] = stated["slug"] or slugify(stated["name"])
    return stated


def _check_weights(options: Options) -> None:
    stated = _stated(options)
    if not (stated["name"] and stated["licence"] and stated["citation"]):
        raise MethodError("A method needs a name, a licence and a citation: readers ask for them.")
    if stated["slug"] in all_methods():
        raise MethodError(f"There is a method called “{stated['slug']}” already.")


def _take_weights(upload: Upload, path: Path, progress: Progress) -> None:
    stated, by = _stated(upload.options), upload.owner.get_username()
    method = _added_already(stated["slug"], path, by) or lab.add(path, **stated, added_by=by)
    with jobs.in_turn():
        audit.record(upload.owner, "method added", method, file=upload.file_name)
        services.discard_upload(upload)


def _added_already(slug: str, file: Path, by: str) -> Method | None:
    """By a worker that was killed before it could say so: the list of methods is in files."""
    wanted = (slug, store.file_sha256(file), by)
    for added in lab.descriptors():
        if (added.slug, added.weights_sha256, added.added_by) == wanted:
            return added.method
    return None


PURPOSES = {
    "recording": Purpose(
        _check_recording,
        lambda options, file: f"Recording {file} beside {_source(options)}",
        _source_about,
        _take_recording,
    ),
    "pvs": Purpose(
        _check_pvs,
        lambda options, file: f"PVS {file} of {_source(options)}, made elsewhere",
        _source_about,
        _take_pvs,
    ),
    "weights": Purpose(
        _check_weights,
        lambda options, file: f"Network {file} for “{options.get('name')}”",
        lambda options: "methods",
        _take_weights,
    ),
}
