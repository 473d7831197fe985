from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "qa_portal"
    verbose_name = "Midgrey"

    def ready(self) -> None:
        from qa_portal import checks

        checks.register_all()
