"""The one ASGI application: pages, media and WebSockets."""

import os
import warnings

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qa_portal.settings")
# WhiteNoise reads static files synchronously. They are small; clips have a stream of their own.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")
pages = get_asgi_application()  # first: it makes the models importable

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402

from sessions_app.routing import websocket_urlpatterns  # noqa: E402

if settings.EMBEDDED_POSTGRES:
    settings.EMBEDDED_POSTGRES.use()  # also when run by a server other than `manage.py web`

application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
        ),
    }
)
