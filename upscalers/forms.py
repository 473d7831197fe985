"""Forms about sources and PVSs."""

from __future__ import annotations

from typing import Any

from django import forms

from upscalers.core.degrade import KERNELS, parse_degradation
from upscalers.methods import all_methods
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


class DegradationForm(forms.Form):
    """By how much and in which way sources are made small; a seed belongs to one of the ways."""

    scale = forms.TypedChoiceField(
        choices=[(scale, f"{scale:g} times") for scale in SCALES], coerce=float, initial=2,
        label="Smaller by",
    )  # fmt: skip
    degradation = forms.ChoiceField(label="Made small by", initial="bicubic")
    degradation_seed = forms.IntegerField(
        required=False, initial=1, min_value=0, max_value=999_999_999, label="Seed",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["methods"].choices = grouped_methods(runs_here=True)  # type: ignore[attr-defined]
