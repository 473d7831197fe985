"""What a lab brings besides sources: recordings, PVSs made elsewhere, networks of its own."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from scoring.models import Measurement
from tests.factories import make_user
from tests.working import do_job
from upscalers import intake, production, services, store
from upscalers.core.errors import ClipError
from upscalers.core.video import FFMPEG, frames_sha256
from upscalers.methods import all_methods, get_method, lab
from upscalers.models import PVS, Clip, Job, JobKind, JobState, LowResolution, Source, Upload
from upscalers.services import Ingest

pytestmark = pytest.mark.django_db

RunJobs = Callable[[], None]


def film(path: Path, *options: str, seconds: float = 1, lavfi: str = "testsrc2") -> Path:
    """A moving picture whose frames all differ, through ffmpeg's own filters."""
    command = [FFMPEG, "-v", "error", "-y", "-f", "lavfi", "-i", f"{lavfi}=s=128x96:r=25:d=2",
               "-frames:v", str(round(25 * seconds)), *options, "-pix_fmt", "yuv420p",
               "-c:v", "ffv1", str(path)]  # fmt: skip
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def source(owner: User, tmp_path: Path) -> Source:
    return services.ingest(
        film(tmp_path / "a.mkv", "-vf", "trim=start_frame=5,setpts=PTS-STARTPTS", seconds=0.8),
        Ingest("harbour.mkv"), owner,
    )  # fmt: skip


@pytest.fixture
def methods_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(lab, "folder", lambda: tmp_path / "methods")
    return tmp_path / "methods"


def bring(owner: User, file: Path, **options: Any) -> Job:
    data = file.read_bytes()
    upload = Upload.objects.create(
        owner=owner, file_name=file.name, fingerprint=file.name, size_bytes=len(data),
        received=len(data), options={key: str(value) for key, value in options.items()},
    )  # fmt: skip
    upload.path.write_bytes(data)
    return intake.request(upload)


def nothing_left() -> bool:
    """But uploads that were refused: they may be tried again until they are dismissed."""
    for upload in Upload.objects.all():
        assert upload.job is not None and upload.job.state == JobState.FAILED
        services.dismiss(upload.job)
        upload.path.unlink()  # a test's transaction is never committed
    return not Upload.objects.exists() and not [
        path for name in ("incoming", "work") for path in (store.root() / name).glob("*")
    ]


# ---- recordings ------------------------------------------------------------------------------


def test_a_recording_is_cut_to_the_frames_of_its_source(
    source: Source, owner: User, tmp_path: Path, run_jobs: RunJobs
) -> None:
    """It begins five frames before the source, as a second camera might."""
    beside = film(tmp_path / "beside.mkv", "-vf", "scale=64:48:flags=bicubic", seconds=1.2)
    job = bring(owner, beside, purpose="recording", source=source.name)
    run_jobs()
    job.refresh_from_db()
    assert (job.state, job.error) == (JobState.DONE, "")
    low = LowResolution.objects.get()
    assert (low.degradation, low.scale, low.file_name) == ("recorded", 2.0, "beside.mkv")
    assert low.recipe["first_frame"] == low.recipe["alignment"]["frame_offset"] == 5
    clip = low.clip
    assert clip is not None and (clip.width, clip.height, clip.frames) == (64, 48, 20)
    wanted = tmp_path / "wanted.mkv"
    subprocess.run(
        [FFMPEG, "-v", "error", "-i", str(beside), "-vf",
         "trim=start_frame=5:end_frame=25,setpts=PTS-STARTPTS", "-c:v", "ffv1", str(wanted)],
        check=True,
    )  # fmt: skip
    assert frames_sha256(clip.path, clip.format) == frames_sha256(wanted, clip.format)
    [pvs] = production.request_pvss(source, ["bicubic"], 2, owner, "recorded")
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready and pvs.low_resolution == low
    assert Measurement.objects.get(pvs=pvs, metric="psnr_y").mean > 25
    assert nothing_left()


@pytest.mark.parametrize(
    ("options", "lavfi", "complaint"),
    [
        (["-vf", "scale=64:48,fps=30"], "testsrc2", "frames per second"),
        (["-vf", "scale=64:40"], "testsrc2", "made smaller by one factor"),
        (["-vf", "scale=64:48"], "rgbtestsrc", ""),
    ],
)
def test_a_recording_that_does_not_fit_is_refused_and_leaves_nothing(
    source: Source, owner: User, tmp_path: Path, run_jobs: RunJobs,
    options: list[str], lavfi: str, complaint: str,
) -> None:  # fmt: skip
    other = film(tmp_path / "other.mkv", *options, seconds=1.2, lavfi=lavfi)
    job = bring(owner, other, purpose="recording", source=source.name)
    run_jobs()
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert complaint in job.error and "other.mkv" in job.error
    assert not LowResolution.objects.exists()
    assert intake.open_or_failed(intake.about_source(source)) == [job]
    assert nothing_left()
    assert intake.open_or_failed(intake.about_source(source)) == []


def test_a_second_recording_of_the_same_size_is_refused(
    source: Source, owner: User, tmp_path: Path, run_jobs: RunJobs
) -> None:
    beside = film(tmp_path / "beside.mkv", "-vf", "scale=64:48:flags=bicubic", seconds=1.2)
    bring(owner, beside, purpose="recording", source=source.name)
    again = bring(owner, beside, purpose="recording", source=source.name)
    run_jobs()
    again.refresh_from_db()
    assert "smaller already. Remove that first" in again.error
    production.remove_low_resolution(LowResolution.objects.get(), owner)
    services.retry(again, owner)
    run_jobs()
    again.refresh_from_db()
    assert (again.state, again.error) == (JobState.DONE, "")
    assert LowResolution.objects.count() == 1 and nothing_left()


@pytest.mark.parametrize("name", ["beside.mkv", "beside"])
def test_a_recording_whose_worker_was_killed_is_taken_in_by_the_next(
    source: Source, owner: User, tmp_path: Path, run_jobs: RunJobs,
    monkeypatch: pytest.MonkeyPatch, name: str,
) -> None:  # fmt: skip
    """Also one whose name has no ending."""
    beside = film(tmp_path / "beside.mkv", "-vf", "scale=64:48:flags=bicubic", seconds=1.2)
    job = bring(owner, beside.rename(tmp_path / name), purpose="recording", source=source.name)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as first:
        first.setattr(services, "keep_clip", killed)
        for place, clear_away in ((shutil, "rmtree"), (Path, "unlink")):  # nobody is there to
            first.setattr(place, clear_away, lambda *_, **__: None)
        with pytest.raises(Killed):
            run_jobs()
    run_again = Job.objects.filter(pk=job.pk, state=JobState.RUNNING)
    assert run_again.update(state=JobState.WAITING)
    run_jobs()
    job.refresh_from_db()
    assert (job.state, job.error) == (JobState.DONE, "")
    assert not list(store.incoming_folder().iterdir())


def test_what_is_taken_in_for_a_source_that_is_removed_meanwhile_is_no_error(
    source: Source, owner: User, tmp_path: Path, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = film(tmp_path / "beside.mkv", "-vf", "scale=64:48:flags=bicubic", seconds=1.2)
    job = bring(owner, beside, purpose="recording", source=source.name)
    seal = store.seal

    def removed_meanwhile(path: Path) -> store.Sealed:
        services.remove_source(Source.objects.get(pk=source.pk), owner)
        return seal(path)

    monkeypatch.setattr(store, "seal", removed_meanwhile)
    do_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == (JobState.CANCELLED, "What it was about has been removed.")
    assert not Upload.objects.exists()


# ---- PVSs made elsewhere ---------------------------------------------------------------------


@pytest.fixture
def low(source: Source, owner: User, run_jobs: RunJobs) -> LowResolution:
    production.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    return LowResolution.objects.get()


@pytest.fixture
def elsewhere(methods_folder: Path) -> str:
    lab.add_external(
        slug="wonder", name="Wonder", licence="MIT", citation="A. Author, 2026", added_by="olga"
    )
    return "wonder"


def upscaled_elsewhere(low: LowResolution, path: Path, filters: str = "") -> Path:
    assert low.clip is not None
    wanted = f"scale={low.source.clip.width}:{low.source.clip.height}:flags=lanczos{filters}"
    subprocess.run(
        [FFMPEG, "-v", "error", "-y", "-i", str(low.clip.path), "-vf", wanted, "-c:v", "ffv1",
         str(path)],
        check=True,
    )  # fmt: skip
    return path


def test_a_pvs_made_elsewhere_is_checked_kept_and_measured(
    low: LowResolution, elsewhere: str, owner: User, tmp_path: Path, run_jobs: RunJobs
) -> None:
    file = upscaled_elsewhere(low, tmp_path / "wonder.mkv")
    job = bring(
        owner, file, purpose="pvs", source=low.source.name, method=elsewhere, low_resolution=low.pk
    )
    run_jobs()
    job.refresh_from_db()
    assert (job.state, job.error) == (JobState.DONE, "")
    pvs = PVS.objects.get(method="wonder")
    assert pvs.file_name == "wonder.mkv" and pvs.alignment["frame_offset"] == 0
    clip = pvs.clip
    assert clip is not None and frames_sha256(file, clip.format) == clip.frames_sha256
    assert clip.rendition.is_ready
    assert Measurement.objects.get(pvs=pvs, metric="psnr_y").mean > 25
    assert pvs.job is None and pvs.wall_seconds is None, "nothing is known of its cost"
    assert nothing_left()


LATE = ",trim=start_frame=2,setpts=PTS-STARTPTS"


@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        (LATE, "has 18 frames, its source has 20"),
        (",scale=120:96", "is 120x96, its source is 128x96"),
        (",fps=50,trim=end_frame=20", "50 frames per second"),
        (",format=yuv444p", "yuv444p samples"),
        (f"{LATE},tpad=stop=2:stop_mode=clone", "starts 2 frames late"),
        (",crop=126:96:0:0,pad=128:96:2:0", "right of its source"),
    ],
)
def test_a_pvs_that_does_not_fit_is_refused_and_leaves_nothing(
    low: LowResolution, elsewhere: str, owner: User, tmp_path: Path, run_jobs: RunJobs,
    filters: str, complaint: str,
) -> None:  # fmt: skip
    clips = set(Clip.objects.values_list("pk", flat=True))
    file = upscaled_elsewhere(low, tmp_path / "wonder.mkv", filters)
    job = bring(
        owner, file, purpose="pvs", source=low.source.name, method=elsewhere, low_resolution=low.pk
    )
    run_jobs()
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert complaint in job.error
    assert not PVS.objects.filter(method="wonder").exists() and nothing_left()
    assert set(Clip.objects.values_list("pk", flat=True)) == clips


def test_what_is_there_already_is_not_replaced(
    low: LowResolution, owner: User, methods_folder: Path
) -> None:
    with pytest.raises(ClipError, match="There is a PVS of harbour by Nearest already"):
        intake.check({"purpose": "pvs", "source": "harbour", "method": "nearest",
                      "low_resolution": str(low.pk)})  # fmt: skip


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"purpose": "magic"}, "does not say what it is for"),
        ({"purpose": "recording", "source": "gone"}, "source this belongs to"),
        ({"purpose": "pvs", "source": "harbour", "method": "magic"}, "there is no method"),
        ({"purpose": "pvs", "source": "harbour", "method": "nearest", "low_resolution": "x"},
         "Choose the low-resolution version"),
        ({"purpose": "weights", "name": "", "licence": "MIT"}, "needs a name, a licence"),
        ({"purpose": "weights", "name": "SPAN x2", "licence": "MIT", "citation": "x"}, "already"),
    ],
)  # fmt: skip
def test_an_upload_that_cannot_be_of_use_is_refused_before_anything_is_sent(
    source: Source, client: Client, owner: User, options: dict[str, str], complaint: str
) -> None:
    client.force_login(owner)
    wish = {"file_name": "x.mkv", "size": 100, "fingerprint": "x", "options": options}
    answer = client.post(
        reverse("upscalers:upload-begin"), json.dumps(wish), content_type="application/json"
    )
    assert answer.status_code == 422 and complaint in answer.json()["error"]
    assert not Upload.objects.exists()


def test_analysts_bring_nothing_in(client: Client, source: Source, colleague: User) -> None:
    for user in (colleague, make_user("nobody")):
        client.force_login(user)
        wish = {"file_name": "x", "size": 1, "fingerprint": "x", "options": {"purpose": "weights"}}
        answer = client.post(
            reverse("upscalers:upload-begin"), json.dumps(wish), content_type="application/json"
        )
        assert answer.status_code == 403
    assert not Upload.objects.exists()


# ---- networks --------------------------------------------------------------------------------


class Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def test_a_network_of_the_labs_own_becomes_a_method_that_makes_pvss(
    source: Source, owner: User, tmp_path: Path, run_jobs: RunJobs, methods_folder: Path
) -> None:
    from tests.upscalers.core import networks

    file = tmp_path / "espcn.pth"
    torch.save(networks.espcn().state_dict(), file)
    bring(owner, file, purpose="weights", name="Our ESPCN", licence="ours", citation="us")
    run_jobs()
    assert Job.objects.get(kind=JobKind.IMPORT).state == JobState.DONE
    method = get_method("our-espcn")
    scale = method.scales[0]  # type: ignore[index]
    [pvs] = production.request_pvss(source, [method.slug], scale, owner)
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready and pvs.weights_sha256 == method.weights_sha256
    assert nothing_left()


def test_a_network_added_by_a_worker_that_was_killed_before_it_said_so_is_there(
    owner: User, tmp_path: Path, run_jobs: RunJobs, methods_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from tests.upscalers.core import networks

    file = tmp_path / "espcn.pth"
    torch.save(networks.espcn().state_dict(), file)
    stated = {"name": "Our ESPCN", "licence": "ours", "citation": "us"}
    lab.add(file, slug="our-espcn", added_by="olga", **stated)
    job = bring(owner, file, purpose="weights", **stated)
    run_jobs()
    job.refresh_from_db()
    assert (job.state, job.error) == (JobState.DONE, "")
    other = bring(make_user("else", "coordinator"), file, purpose="weights", **stated)
    run_jobs()
    other.refresh_from_db()
    assert "there is a method our-espcn already" in other.error


def test_a_hostile_file_is_refused_and_executes_nothing(
    owner: User, tmp_path: Path, run_jobs: RunJobs, methods_folder: Path
) -> None:
    mark, file = tmp_path / "executed", tmp_path / "evil.pth"
    file.write_bytes(pickle.dumps({"params": Hostile(mark)}))
    job = bring(owner, file, purpose="weights", name="Evil", licence="none", citation="none")
    run_jobs()
    job.refresh_from_db()
    assert job.state == JobState.FAILED and job.error
    assert not mark.exists()
    assert "evil" not in all_methods() and nothing_left()
