"""Names of methods and degradations for people."""

from typing import Any

from django import template

from upscalers.core.degrade import degradation_name
from upscalers.methods import all_methods

register = template.Library()


@register.simple_tag(takes_context=True)
def method_name(context: dict[str, Any], slug: str) -> str:
    """The folder of a lab's own methods is looked through once for a page, not for each name."""
    request = context["request"]
    if not hasattr(request, "_midgrey_methods"):
        request._midgrey_methods = {slug: found.name for slug, found in all_methods().items()}
    names: dict[str, str] = request._midgrey_methods
    return names.get(slug, slug)


@register.filter
def degradation(slug: str) -> str:
    return degradation_name(slug)
