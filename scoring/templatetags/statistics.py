"""Words and numbers of the statistics for templates; every rule comes from scoring/rules.py."""

from __future__ import annotations

import math

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from scoring.sections.rules import rule_groups
from scoring.wording import minus

register = template.Library()
register.filter(minus)

RULES = {one.name: one.rule for group in rule_groups() for one in group.rules}


@register.simple_tag
def term(rules: str, text: str) -> SafeString:
    """A word that leads to the rule, or several, by which its number is made."""
    names = rules.split()
    rule = " ".join(RULES[name] for name in names)
    return format_html('<a class="term" href="#rule-{}" title="{}">{}</a>', names[0], rule, text)


@register.filter
def p_value(value: float) -> str:
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


@register.filter
def fixed(value: float | None, decimals: int = 2) -> str:
    """With a true minus; a dash where there is no number."""
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


@register.filter
def known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


@register.filter
def signed(value: float | None, decimals: int = 2) -> str:
    text = fixed(value, decimals)
    return text if text == "–" or text.startswith("−") or float(text) == 0 else f"+{text}"


@register.filter
def percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"
