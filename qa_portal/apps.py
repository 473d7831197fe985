from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "qa_portal"
    verbose_name = "Midgrey"
