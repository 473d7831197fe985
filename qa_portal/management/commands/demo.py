"""`serve` with two accounts and real material to try everything with."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from qa_portal import demo
from qa_portal.management.commands import serve
from qa_portal.supervisor import Child
from sessions_app.services.planning import StudyError
from upscalers.core.errors import ClipError


class Command(serve.Command):
    help = "Make the demo's accounts and material once, then serve."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--material-only", action="store_true", help="make the material and stop"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["material_only"]:
            serve.use_database()
            try:
                demo.make_demo_material()
            except (ClipError, StudyError) as error:
                demo.log.error("%s", error)  # trying again would not help
        else:
            super().handle(*args, **options)

    def prepare(self) -> None:
        super().prepare()
        self.accounts = demo.make_accounts()

    def extra_children(self) -> list[Child]:
        # beside the web process, so that its progress is seen from the first second
        return [Child("demo-material", [serve.MANAGE, "demo", "--material-only"], once=True)]

    def announce(self, where: str) -> None:
        super().announce(where)
        self.stdout.write("Sign in as:")
        for account in self.accounts:
            password = account.password or "(changed)"
            self.stdout.write(f"  {account.username:<18} {password:<14}   ({account.role})")
        if changed := next((one.username for one in self.accounts if not one.password), None):
            self.stdout.write(
                "A changed password is not known here. To set one anew:\n"
                f"  .venv/bin/python manage.py changepassword {changed}"
            )
        self.stdout.write(
            f"The demo study makes itself now; see {self.address}jobs/ for its progress.\n"
        )
        self.stdout.flush()
