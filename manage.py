"""Command line of Midgrey. Starts the embedded PostgreSQL for the commands that use a database."""

import os
import sys

# These compute, print or write files only; `serve` and `demo` first see whether the port is free.
WITHOUT_DATABASE = {
    "analyse", "check", "collectstatic", "demo", "diffsettings", "help", "methods", "serve",
    "upscale", "version",
}  # fmt: skip


def needs_database(arguments: list[str]) -> bool:
    if not arguments or arguments[0] in WITHOUT_DATABASE or arguments[0].startswith("-"):
        return False
    return "--help" not in arguments and "-h" not in arguments


def use_database() -> None:
    from django.conf import settings

    from qa_portal.postgres import PostgresError

    if settings.EMBEDDED_POSTGRES:
        try:
            settings.EMBEDDED_POSTGRES.use()
        except PostgresError as error:
            sys.exit(f"Midgrey: {error}")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qa_portal.settings")
    from django.core.management import execute_from_command_line

    if needs_database(sys.argv[1:]):
        use_database()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
