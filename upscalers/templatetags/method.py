"""Names of methods for people, from the registry."""

from django import template

from upscalers.methods import all_methods

register = template.Library()


@register.filter
def method_name(slug: str) -> str:
    """A PVS outlives the method that made it: then its slug has to do."""
    method = all_methods().get(slug)
    return method.name if method else slug
