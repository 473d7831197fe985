"""Which cut-outs stand for methods on their pages: one place of one source, alike for all.

It only chooses; `stills` makes the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, Q
from django.urls import reverse

from upscalers.methods import all_methods
from upscalers.models import PVS, Clip, LowResolution
from upscalers.stills import Window

MOST = 100  # to choose from


@dataclass(frozen=True)
class Sample:
    low: LowResolution
    frame: int
    window: Window

    @property
    def clip(self) -> Clip:
        return self.low.source.clip

    @property
    def last_frame(self) -> int:
        return self.clip.frames - 1

    @property
    def greatest_left(self) -> int:
        return self.clip.width - self.window.width

    @property
    def greatest_top(self) -> int:
        return self.clip.height - self.window.height


@dataclass(frozen=True)
class CutOut:
    """One picture beside others. Without a PVS it is the reference's."""

    name: str
    url: str
    slug: str = ""
    pvs: PVS | None = None


def versions(method: str = "") -> list[LowResolution]:
    """What samples can be taken of: first where most methods have a PVS, of those the newest."""
    made = PVS.objects.filter(clip__isnull=False)
    if method:
        made = made.filter(method=method)
    ready = Count("pvss__method", filter=Q(pvss__clip__isnull=False), distinct=True)
    found = LowResolution.objects.filter(pk__in=made.values("low_resolution"))
    found = found.select_related("source__clip").defer("source__thumbnail")
    found = found.annotate(methods=ready)
    return list(found.order_by("-methods", "-source__created_at", "scale", "pk")[:MOST])


def chosen(
    among: list[LowResolution], wish: Mapping[str, str], width: int, height: int
) -> Sample | None:
    """As near to what is wished for as there is: by default the middle of the middle frame."""
    if not among:
        return None
    low = next((low for low in among if str(low.pk) == wish.get("of")), among[0])
    clip = low.source.clip
    width, height = min(width, clip.width), min(height, clip.height)
    window = Window(
        width, height,
        _within(wish.get("left"), clip.width - width),
        _within(wish.get("top"), clip.height - height),
    )  # fmt: skip
    return Sample(low, _within(wish.get("frame"), clip.frames - 1, clip.frames // 2), window)


def _within(text: str | None, greatest: int, otherwise: int | None = None) -> int:
    try:
        return max(0, min(int(text or ""), greatest))
    except ValueError:
        return greatest // 2 if otherwise is None else otherwise


def cut_outs(sample: Sample, methods: list[str] | None = None) -> list[CutOut]:
    """The reference's, then those of the methods that have a PVS there, in the registry's order."""
    made = sample.low.pvss.filter(clip__isnull=False).order_by("made_at", "pk")
    newest = {pvs.method: pvs for pvs in made}
    named = all_methods()
    found = [CutOut("Reference", _url(sample, sample.clip.pk))]
    for slug in methods if methods is not None else named:
        if pvs := newest.get(slug):
            found.append(CutOut(named[slug].name, _url(sample, pvs.clip_id), slug, pvs))
    return found


def _url(sample: Sample, clip: int | None) -> str:
    return reverse("upscalers:crop", args=[clip, sample.frame, str(sample.window)])
