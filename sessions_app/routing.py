"""Where the live pages' sockets are."""

from django.urls import path

from sessions_app.consumers import ConsoleConsumer, DisplayConsumer, SeatConsumer

websocket_urlpatterns = [
    path("ws/show/<str:token>/", DisplayConsumer.as_asgi()),
    path("ws/seat/<str:token>/", SeatConsumer.as_asgi()),
    path("ws/console/<int:pk>/", ConsoleConsumer.as_asgi()),
]
