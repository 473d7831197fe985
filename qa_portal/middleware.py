"""What holds for every request: headers, and what may come over plain http."""

from __future__ import annotations

from collections.abc import Callable

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.request import split_domain_port
from django.utils.decorators import sync_and_async_middleware


@sync_and_async_middleware
def isolation(get_response: Callable) -> Callable:
    """Cross-origin isolation, for exact clocks and shared memory on the display page.

    A worker's script needs the header itself, hence on everything.
    """

    def mark(response: HttpResponse) -> HttpResponse:
        response.headers.setdefault("Cross-Origin-Embedder-Policy", "require-corp")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response

    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponse:
            return mark(await get_response(request))

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponse:
        return mark(get_response(request))

    return synchronous


# What works without encryption, for devices that were never told to trust the certificate.
PLAIN_PATHS = ("/seat/", "/join/", "/static/", "/lan/", "/healthz")
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@sync_and_async_middleware
def plain_http_for_seats_only(get_response: Callable) -> Callable:
    """On a laboratory's network passwords, the console and clips go over https alone."""
    if not settings.LAN_PORT:
        raise MiddlewareNotUsed

    def elsewhere(request: HttpRequest) -> HttpResponse | None:
        host = split_domain_port(request.get_host())[0]
        if request.is_secure() or host in LOOPBACK or request.path.startswith(PLAIN_PATHS):
            return None
        return HttpResponseRedirect(f"https://{host}:{settings.LAN_PORT}{request.get_full_path()}")

    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponse:
            return elsewhere(request) or await get_response(request)

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponse:
        return elsewhere(request) or get_response(request)

    return synchronous
