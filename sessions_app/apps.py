from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "sessions_app"

    def ready(self) -> None:
        from sessions_app.services import planning  # noqa: F401  (it tells what studies use)
