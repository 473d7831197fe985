"""Names of methods and degradations for people."""

from django import template

from upscalers.core.degrade import degradation_name
from upscalers.methods import name_of

register = template.Library()


@register.filter
def method_name(slug: str) -> str:
    return name_of(slug)


@register.filter
def degradation(slug: str) -> str:
    return degradation_name(slug)
