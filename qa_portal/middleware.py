"""Headers every response carries, static files included."""

from __future__ import annotations

from collections.abc import Callable

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
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
