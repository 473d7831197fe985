"""Pages of the door, of People, and the health report."""

from __future__ import annotations

import sys

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.models import User
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.request import split_domain_port
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from qa_portal import accounts, health
from qa_portal.forms import AddPersonForm, LoginForm, PersonForm
from upscalers.access import administrator_required


class LoginView(auth.LoginView):
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        if form.has_error("__all__", "wait"):
            response.status_code = 429
        return response


class PasswordChangeView(auth.PasswordChangeView):
    success_url = reverse_lazy("home")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        messages.success(self.request, "Your password is changed.")
        return super().form_valid(form)


@administrator_required
@require_http_methods(["GET", "POST"])
def people(request: HttpRequest) -> HttpResponse:
    form = AddPersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        person, password = accounts.add_person(request.user, **form.cleaned_data)
        return _show_password(request, person, password)
    everybody = [
        (person, accounts.role_of(person))
        for person in User.objects.order_by("-is_active", "username").prefetch_related("groups")
    ]
    return render(request, "qa_portal/people.html", {"form": form, "everybody": everybody})


@administrator_required
@require_http_methods(["GET", "POST"])
def person(request: HttpRequest, pk: int) -> HttpResponse:
    person = get_object_or_404(User, pk=pk)
    initial = {"role": accounts.role_of(person), "is_active": person.is_active}
    form = PersonForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            accounts.change_person(request.user, person, **form.cleaned_data)
        except accounts.AccountError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{person.username} is changed.")
            return redirect("people")
    return render(request, "qa_portal/person.html", {"form": form, "person": person})


@administrator_required
@require_POST
def reset_password(request: HttpRequest, pk: int) -> HttpResponse:
    person = get_object_or_404(User, pk=pk)
    return _show_password(request, person, accounts.reset_password(request.user, person))


def _show_password(request: HttpRequest, person: User, password: str) -> HttpResponse:
    """Shown in this one answer and kept nowhere."""
    context = {"person": person, "password": password}
    response = render(request, "qa_portal/password_once.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_GET
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    try:
        report = health.report()
    except OperationalError:
        report = health.without_database()
    return JsonResponse(report, status=200 if report["status"] == "ok" else 503)


@require_GET
@never_cache
def trust(request: HttpRequest) -> HttpResponse:
    """How a device is told to trust this Midgrey's certificate; it comes over plain http too."""
    if not settings.LAN_PORT:
        raise Http404("Midgrey was not started for a network.")
    host = split_domain_port(request.get_host())[0]
    context = {
        "address": f"https://{host}:{settings.LAN_PORT}/",
        "fingerprint": settings.AUTHORITY.fingerprint,
        "pin": settings.AUTHORITY.server_pin,
    }
    return render(request, "qa_portal/trust.html", context)


@require_GET
def authority(request: HttpRequest) -> HttpResponse:
    if not settings.LAN_PORT:
        raise Http404("Midgrey was not started for a network.")
    certificate = settings.AUTHORITY.certificate_file.read_bytes()
    response = HttpResponse(certificate, content_type="application/x-x509-ca-cert")
    response["Content-Disposition"] = 'attachment; filename="midgrey.crt"'
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """A lost database is a matter of seconds, not of a mistake in Midgrey."""
    away = isinstance(sys.exception(), OperationalError)
    template, status = ("503.html", 503) if away else ("500.html", 500)
    response = HttpResponse(render_to_string(template), status=status)  # asks no database
    if away:
        response["Retry-After"] = "3"
    return response
