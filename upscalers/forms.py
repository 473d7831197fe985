"""Forms about sources and PVSs."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.template.defaultfilters import floatformat

from upscalers.core.degrade import FINEST, KERNELS, parse_degradation
from upscalers.methods import all_methods
from upscalers.models import LowResolution, Source
from upscalers.production import RECORDED, SCALES

REAL_WORLD = "real-world"


FAMILY_NAMES = {
    "classical": "Classical",
    "network": "Networks",
    "video": "Video networks",
    "external": "Made elsewhere",
}


def grouped_methods(runs_here: bool = False) -> list[tuple[str, list[tuple[str, str]]]]:
    """For a list to choose from."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for method in all_methods().values():
        if method.runs_here or not runs_here:
            groups.setdefault(FAMILY_NAMES[method.family], []).append((method.slug, method.name))
    return list(groups.items())


class ScaleField(forms.TypedChoiceField):
    """By how much: its values are simple fractions, because no decimal number is 4/3."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(coerce=lambda text: float(Fraction(text)), **kwargs)

    def offer(self, usual: Iterable[float], recorded: Iterable[float]) -> None:
        words = {_exact(scale): "times, as recorded" for scale in recorded}
        words |= {_exact(scale): "times" for scale in usual}
        self.choices = [
            (str(scale), f"{floatformat(float(scale), -2)} {words[scale]}")
            for scale in sorted(words)
        ]

    def prepare_value(self, value: Any) -> Any:
        return str(_exact(value)) if isinstance(value, int | float) else value


def _exact(scale: float) -> Fraction:
    return Fraction(scale).limit_denominator(FINEST)


class DegradationForm(forms.Form):
    """By how much and in which way sources are made small; a seed belongs to one of the ways."""

    scale = ScaleField(initial=2, label="Smaller by")
    degradation = forms.ChoiceField(label="Made small by", initial="bicubic")
    degradation_seed = forms.IntegerField(
        required=False, initial=1, min_value=0, max_value=999_999_999, label="Seed",
    )  # fmt: skip

    def __init__(self, *args: Any, recordings: QuerySet[LowResolution], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        recorded = recordings.filter(degradation=RECORDED).order_by()
        scales = set(recorded.values_list("scale", flat=True))
        if "scale" in self.initial:
            scales.add(self.initial["scale"])  # also when the recording is not there any more
        self.fields["scale"].offer(SCALES, scales)  # type: ignore[attr-defined]
        self.fields["degradation"].choices = [  # type: ignore[attr-defined]
            *((slug, name) for slug, (name, _) in KERNELS.items()),
            (REAL_WORLD, "Real world: blur, noise and codecs drawn from a seed"),
            (RECORDED, "Recorded beside the source"),
        ]
        given = self.initial.get("degradation", "")
        if given.startswith(REAL_WORLD):
            self.initial["degradation"] = REAL_WORLD
            self.initial["degradation_seed"] = parse_degradation(given)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        seed = data.pop("degradation_seed", None)
        if data.get("degradation") == REAL_WORLD and "degradation_seed" not in self.errors:
            data["degradation"] = f"{REAL_WORLD}-{1 if seed is None else seed}"
        return data


class MaterialForm(DegradationForm):
    """Which PVSs to make of one source."""

    methods = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one method."},
    )

    def __init__(self, *args: Any, source: Source, **kwargs: Any) -> None:
        super().__init__(*args, recordings=source.low_resolutions.all(), **kwargs)
        self.fields["methods"].choices = grouped_methods(runs_here=True)  # type: ignore[attr-defined]
