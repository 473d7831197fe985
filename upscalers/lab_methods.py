"""Adding and removing methods of a lab's own, on the record. `methods.lab` keeps them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import Signal
from django.utils.text import slugify

from upscalers import audit
from upscalers.core.errors import MethodError
from upscalers.methods import Method, lab
from upscalers.models import PVS

# Sent with the slug of a method; apps above return what names it, in words for people.
asked_for_uses = Signal()

User = Any  # an account, or None on the command line


def add_external(
    *, slug: str, name: str, licence: str, citation: str, description: str, user: User
) -> Method:
    """Add a method whose PVSs are uploaded; without a short name it gets one from its name."""
    slug = slug.strip() or slugify(name)
    with transaction.atomic():
        audit.record(user, "method added", slug)
        return lab.add_external(
            slug=slug, name=name, licence=licence, citation=citation, description=description,
            added_by=user.get_username() if user is not None else "",
        )  # fmt: skip


def remove(slug: str, user: User) -> None:
    """Remove a method that the lab added; refused while there is a PVS of it or a use for it."""
    name = lab.described(slug)["name"]
    made = PVS.objects.filter(method=slug)
    if made.exists():
        sources = made.values_list("low_resolution__source__name", flat=True)
        of = ", ".join(sorted(set(sources)))
        raise MethodError(f"{name} stays while there are PVSs of it. Remove those first, of {of}.")
    answers = asked_for_uses.send(Method, slug=slug)
    uses = sorted(use for _, found in answers for use in found or ())
    if uses:
        raise MethodError(f"{name} stays while it is chosen in {', '.join(uses)}.")
    with transaction.atomic():
        audit.record(user, "method removed", slug)
        lab.remove(slug)
