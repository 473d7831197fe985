"""Forms of the door and of the People page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator

from qa_portal import accounts
from upscalers.access import ADMINISTRATOR, ANALYST, COORDINATOR

ROLE_CHOICES = [
    (COORDINATOR, "Coordinator: makes material, plans studies, runs sessions"),
    (ANALYST, "Analyst: reads and exports results"),
    (ADMINISTRATOR, "Administrator: all of that, and people"),
]


class LoginForm(AuthenticationForm):
    """Says when to wait, once too many passwords were wrong."""

    def clean(self) -> dict[str, Any]:
        name, address = self.cleaned_data.get("username") or "", self._address()
        if accounts.must_wait(name, address):
            raise forms.ValidationError(
                "Too many wrong passwords. Wait a quarter of an hour, or ask an administrator"
                " for a new one.",
                code="wait",
            )
        try:
            cleaned = super().clean()
        except forms.ValidationError:
            accounts.note_failed_login(name, address)
            raise
        accounts.forgive_failed_logins(name, address)
        return cleaned

    def _address(self) -> str:
        return self.request.META.get("REMOTE_ADDR", "") if self.request else ""


class AddPersonForm(forms.Form):
    username = forms.CharField(
        label="Name",
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        help_text="To log in with: letters, digits and @ . + - _",
    )
    role = forms.ChoiceField(choices=ROLE_CHOICES)

    def clean_username(self) -> str:
        name: str = User.normalize_username(self.cleaned_data["username"])
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError(f"There is an account '{name}' already.")
        return name


class PersonForm(forms.Form):
    role = forms.ChoiceField(choices=ROLE_CHOICES)
    is_active = forms.BooleanField(
        label="May log in",
        required=False,
        help_text="Accounts are kept, so that records stay true.",
    )
