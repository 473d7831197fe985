"""What guards the door: failed attempts to log in."""

from django.db import models
from django.utils import timezone


class FailedLogin(models.Model):
    """Kept for a quarter of an hour, to slow down guessing over all web processes."""

    username = models.CharField(max_length=150)
    address = models.CharField(max_length=45)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        indexes = [models.Index(fields=["address", "username"], name="failed_login_address_name")]

    def __str__(self) -> str:
        return f"{self.username} from {self.address}"
