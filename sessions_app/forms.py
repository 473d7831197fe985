"""The design of a study, validated so that what can be saved can also be planned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth import get_user_model

from sessions_app.models import Study
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
        )  # fmt: skip
        labels = {
            "vote_seconds": "Seconds to vote", "viewers_per_panel": "Viewers in each panel",
            "wait_for_votes": "Wait for everybody's votes before the next cell",
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
        data["methods"] = [slug for slug in (*all_methods(), *_removed(slugs)) if slug in slugs]
        return data


def _removed(slugs: Iterable[str]) -> list[str]:
    return sorted(set(slugs) - set(all_methods()))


def _methods(chosen: Iterable[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """All there are, and those chosen earlier that are gone: nothing changes unless asked to."""
    gone = [(slug, f"{slug} (removed)") for slug in _removed(chosen)]
    return grouped_methods() + ([("Not there any more", gone)] if gone else [])
