"""The main navigation, in the order of the work, and small words for templates."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from upscalers import access

register = template.Library()

LINKS = (
    ("Sources", "upscalers:sources"),
    ("Methods", "upscalers:methods"),
    ("Studies", "sessions:studies"),
    ("Sessions", "sessions:sessions"),
    ("Results", "scoring:results-list"),
)


@register.simple_tag(takes_context=True)
def nav_links(context: dict[str, Any]) -> SafeString:
    path = context["request"].path
    links = []
    for label, name in LINKS:
        try:
            url = reverse(name)
        except NoReverseMatch:
            continue
        current = mark_safe(' aria-current="page"') if path.startswith(url) else ""
        links.append((url, current, label))
    return format_html_join("", '<a href="{}"{}>{}</a>', links)


@register.filter
def is_administrator(user: Any) -> bool:
    return access.is_administrator(user)


@register.filter
def is_coordinator(user: Any) -> bool:
    return access.is_coordinator(user)


@register.filter
def duration(seconds: float | None) -> str:
    """12 s, 3 min 20 s, 1 h 5 min."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


@register.filter
def badge(state: str) -> str:
    """The colour of a state, the same on every page."""
    colours = {
        "done": "ok", "ready": "ok", "finished": "ok", "running": "live", "waiting": "muted",
        "planned": "muted", "paused": "warn", "failed": "bad", "aborted": "bad",
        "cancelled": "warn",
    }  # fmt: skip
    return f"badge badge--{colours.get(state, 'muted')}"
