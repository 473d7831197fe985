from django.apps import AppConfig


class UpscalersConfig(AppConfig):
    name = "upscalers"
