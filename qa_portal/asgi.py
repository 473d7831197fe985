"""The one ASGI application: pages, media and WebSockets."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qa_portal.settings")
pages = get_asgi_application()  # first: it makes the models importable

from django.conf import settings  # noqa: E402

if settings.EMBEDDED_POSTGRES:
    settings.EMBEDDED_POSTGRES.use()

application = pages
