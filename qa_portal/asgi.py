"""The one ASGI application: pages, media and WebSockets."""

import os
from importlib import import_module
from importlib.util import find_spec

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qa_portal.settings")
pages = get_asgi_application()  # first: it makes the models importable

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402

if settings.EMBEDDED_POSTGRES:
    settings.EMBEDDED_POSTGRES.use()  # also when run by a server other than `manage.py web`

sockets = (
    import_module("sessions_app.routing").websocket_urlpatterns
    if find_spec("sessions_app.routing")
    else []
)
application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(sockets))),
    }
)
