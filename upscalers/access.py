"""Who may do what in the laboratory: administrators, coordinators and analysts.

Roles are groups of those names. Viewers have no account; their seat link is all they have.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase

ADMINISTRATOR, COORDINATOR, ANALYST = ROLES = ("administrator", "coordinator", "analyst")

View = Callable[..., HttpResponseBase]


def roles_of(user: Any) -> set[str]:
    if not user.is_authenticated or not user.is_active:
        return set()
    if not hasattr(user, "_midgrey_roles"):
        roles = set(user.groups.filter(name__in=ROLES).values_list("name", flat=True))
        user._midgrey_roles = roles | ({ADMINISTRATOR} if user.is_superuser else set())
    return user._midgrey_roles  # type: ignore[no-any-return]


def is_administrator(user: Any) -> bool:
    return ADMINISTRATOR in roles_of(user)


def is_coordinator(user: Any) -> bool:
    """May make material and run tests; administrators may too."""
    return bool(roles_of(user) & {ADMINISTRATOR, COORDINATOR})


def is_staff_member(user: Any) -> bool:
    """Has any role in the laboratory."""
    return bool(roles_of(user))


def _sign_in(request: HttpRequest) -> HttpResponseBase:
    """A polled part of a page has the whole page reloaded instead of a form put into its middle."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return redirect_to_login(request.get_full_path())


def _required(allowed: Callable[[Any], bool], refusal: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _sign_in(request)
            if not allowed(request.user):
                raise PermissionDenied(refusal)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


administrator_required = _required(is_administrator, "Only an administrator can do this.")
coordinator_required = _required(is_coordinator, "Only a coordinator can do this.")
member_required = _required(
    is_staff_member, "Your account has no role yet. Ask an administrator to give it one."
)
