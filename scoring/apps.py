from django.apps import AppConfig


class ScoringConfig(AppConfig):
    name = "scoring"

    def ready(self) -> None:
        from scoring import services  # its import also makes every ready PVS be measured
        from sessions_app import hints

        hints.provide(services.quality_hints)
