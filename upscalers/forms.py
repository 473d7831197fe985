"""Forms about sources and PVSs."""

from __future__ import annotations

from typing import Any

from django import forms

from upscalers.methods import all_methods
from upscalers.production import SCALES


class MaterialForm(forms.Form):
    """Which PVSs to make of one source."""

    scale = forms.TypedChoiceField(
        choices=[(scale, f"x{scale:g}") for scale in SCALES], coerce=float, initial=2,
        label="Low-resolution version is smaller by",
    )  # fmt: skip
    methods = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one method."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["methods"].choices = [  # type: ignore[attr-defined]
            (method.slug, method.name) for method in all_methods().values()
        ]
