"""The one door to studies: members see theirs, administrators all, others not even that it is."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from sessions_app.models import Session, Study
from upscalers.access import is_administrator, is_coordinator


def studies_for(user: Any) -> QuerySet[Study]:
    if is_administrator(user):
        return Study.objects.all()
    return Study.objects.filter(Q(owner=user) | Q(members=user)).distinct()


def study_for(user: Any, slug: str) -> Study:
    """A study this person may see, else 404."""
    return get_object_or_404(studies_for(user), slug=slug)


def study_for_editing(user: Any, slug: str) -> Study:
    study = study_for(user, slug)
    if not is_coordinator(user):
        raise PermissionDenied("Analysts see studies; a coordinator changes them.")
    return study


def sessions_for(user: Any) -> QuerySet[Session]:
    return Session.objects.filter(study__in=studies_for(user)).select_related("study")


def session_for_running(user: Any, pk: int) -> Session:
    session = get_object_or_404(sessions_for(user), pk=pk)
    if not is_coordinator(user):
        raise PermissionDenied("Only a coordinator can run a session.")
    return session
