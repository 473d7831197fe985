"""The design of a study, validated so that what can be saved can also be planned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth import get_user_model

from sessions_app.core.evidence import EXACT
from sessions_app.models import Study
from sessions_app.services.commissioning import Counts, Measurement
from upscalers.access import ROLES
from upscalers.forms import DegradationForm, grouped_methods
from upscalers.methods import all_methods, name_of
from upscalers.models import LowResolution, Source


class StudyForm(DegradationForm, forms.ModelForm):  # type: ignore[type-arg]
    sources = forms.ModelMultipleChoiceField(
        queryset=Source.objects.none(), widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least two sources."},
    )  # fmt: skip
    methods = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one method to compare with the anchor."},
    )
    anchor = forms.ChoiceField(label="Anchor")
    members = forms.ModelMultipleChoiceField(
        queryset=get_user_model().objects.none(),
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )

    class Meta:
        model = Study
        fields = (
            "name", "question", "sources", "anchor", "methods", "scale", "degradation",
            "vote_seconds", "wait_for_votes", "panels", "viewers_per_panel", "members",
            "least_shown_percent", "late_allowed", "missed_allowed", "longest_gap_ms",
        )  # fmt: skip
        labels = {
            "vote_seconds": "Seconds to vote", "viewers_per_panel": "Viewers in each panel",
            "wait_for_votes": "Wait for everybody's votes before the next cell",
            "least_shown_percent": "Frames shown, at least (%)",
            "late_allowed": "Frames late, at most",
            "missed_allowed": "Refreshes missed, at most",
            "longest_gap_ms": "Longest standstill (ms)",
        }  # fmt: skip
        widgets = {"question": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, owner: Any, **kwargs: Any) -> None:
        super().__init__(*args, recordings=LowResolution.objects.all(), **kwargs)
        self.fields["anchor"].initial = Study._meta.get_field("anchor").default
        for field, chosen in (
            ("methods", self.instance.methods),
            ("anchor", [self.instance.anchor]),
        ):
            self.fields[field].choices = _methods(chosen)  # type: ignore[attr-defined]
        self.fields["sources"].queryset = (  # type: ignore[attr-defined]
            Source.objects.select_related("clip").defer("thumbnail")
        )
        people = get_user_model().objects.filter(is_active=True, groups__name__in=ROLES)
        self.fields["members"].queryset = (  # type: ignore[attr-defined]
            people.exclude(pk=owner.pk).distinct().order_by("username")
        )

    def clean_sources(self) -> Any:
        sources = self.cleaned_data["sources"]
        for source in sources:
            if source.clip.why_not_displayable:
                raise forms.ValidationError(f"{source}: {source.clip.why_not_displayable}")
        if len(sources) < 2:
            raise forms.ValidationError(
                "Choose at least two sources: the same one is never shown twice in a row."
            )
        return sources

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        slugs = set(data.get("methods", []))
        if data.get("anchor") in slugs:
            name = name_of(data["anchor"])
            self.add_error("methods", f"{name} is the anchor: it is not compared with itself.")
        self._complete_rule(data)
        data["methods"] = [slug for slug in (*all_methods(), *_removed(slugs)) if slug in slugs]
        return data

    def _complete_rule(self, data: dict[str, Any]) -> None:
        """What is left empty allows nothing."""
        for name in ("least_shown_percent", "late_allowed", "missed_allowed"):
            if name not in self.errors and data.get(name) is None:
                data[name] = self.fields[name].initial
        if data.get("longest_gap_ms") is not None and data.get("missed_allowed") == 0:
            self.add_error(
                "longest_gap_ms",
                "A standstill is a row of missed refreshes: allow some of those, or leave this "
                "empty.",
            )

    @property
    def allows_faults(self) -> bool:
        """Whether the allowances are to be seen at once."""
        names = ("least_shown_percent", "late_allowed", "missed_allowed", "longest_gap_ms")
        return self.instance.rule != EXACT or any(name in self.errors for name in names)


def _removed(slugs: Iterable[str]) -> list[str]:
    return sorted(set(slugs) - set(all_methods()))


def _methods(chosen: Iterable[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """All there are, and those chosen earlier that are gone: nothing changes unless asked to."""
    gone = [(slug, f"{slug} (removed)") for slug in _removed(chosen)]
    return grouped_methods() + ([("Not there any more", gone)] if gone else [])


LARGEST_CAPTURE = 20 << 20


class MeasurementForm(forms.Form):
    """What an instrument saw of a run: a capture of the counter, or counts."""

    instrument = forms.CharField(max_length=200)
    capture = forms.FileField(required=False, label="Capture, a CSV file")
    missing = forms.IntegerField(required=False, min_value=0, label="Frames missing")
    repeated = forms.IntegerField(required=False, min_value=0, label="Frames held too long")
    duration_ms = forms.FloatField(
        required=False, min_value=0, label="Duration of the clip, milliseconds"
    )
    delay_ms = forms.FloatField(
        required=False, min_value=-1000, max_value=10_000, label="Delay of the light, milliseconds"
    )
    remark = forms.CharField(max_length=500, required=False)

    COUNTS = ("missing", "repeated", "duration_ms")

    def clean_capture(self) -> str:
        file = self.cleaned_data["capture"]
        if file is None:
            return ""
        if file.size > LARGEST_CAPTURE:
            raise forms.ValidationError(
                f"A capture has at most {LARGEST_CAPTURE >> 20} MB: cut it to the run."
            )
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise forms.ValidationError("This is not a CSV file in UTF-8.") from None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        given = [name for name in self.COUNTS if data.get(name) is not None]
        if self.errors:
            return data
        if data["capture"] and given:
            raise forms.ValidationError("Give a capture or counts, not both.")
        if not data["capture"] and len(given) < len(self.COUNTS):
            raise forms.ValidationError(
                "Choose the CSV file of a capture, or give all three of what was counted: frames "
                "missing, frames held too long, and the duration."
            )
        return data

    def measurement(self) -> Measurement:
        data = self.cleaned_data
        counts = {name: data[name] for name in self.COUNTS}
        return Measurement(
            instrument=data["instrument"],
            seen=data["capture"] or Counts(**counts),
            delay_ms=data["delay_ms"],
            remark=data["remark"],
        )
