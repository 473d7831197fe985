import pytest
from django.db import OperationalError, connection
from django.urls import reverse

from qa_portal import health


def heartbeat(seconds_ago: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - %s * interval '1 second')",
            [seconds_ago],
        )


@pytest.mark.django_db
def test_all_is_well_with_a_living_worker(client):
    heartbeat(3)
    response = client.get(reverse("healthz"))
    assert response.status_code == 200
    report = response.json()
    assert report["status"] == "ok"
    assert report["workers"]["alive"] == 1
    assert report["workers"]["heartbeat_ages_s"][0] == pytest.approx(3, abs=1)


@pytest.mark.django_db
def test_a_worker_whose_heart_stopped_is_not_counted(client):
    heartbeat(60)
    response = client.get(reverse("healthz"))
    assert response.status_code == 503
    assert response.json()["workers"] == {"ok": False, "alive": 0, "heartbeat_ages_s": []}


@pytest.mark.django_db
def test_a_full_disk_is_failing(client, monkeypatch):
    heartbeat(0)
    monkeypatch.setattr(health, "FULL_BELOW_BYTES", 10**18)
    response = client.get(reverse("healthz"))
    assert response.status_code == 503
    assert response.json()["disk"]["ok"] is False


def test_a_lost_database_is_reported_not_raised(client, monkeypatch):
    def fail():
        raise OperationalError("connection refused at /secret/path")

    monkeypatch.setattr(health, "report", fail)
    response = client.get(reverse("healthz"))
    assert response.status_code == 503
    assert response.json()["database"] == {"ok": False}
    assert "secret" not in response.content.decode()


@pytest.mark.django_db
def test_a_page_without_its_database_asks_to_wait(client, monkeypatch):
    from django.contrib.auth.models import AnonymousUser

    def fail(user):
        raise OperationalError("gone")

    monkeypatch.setattr("upscalers.access.roles_of", fail)
    monkeypatch.setattr(AnonymousUser, "is_authenticated", True)
    client.raise_request_exception = False
    response = client.get(reverse("people"))
    assert response.status_code == 503
    assert response["Retry-After"] == "3"
    assert "tries again by itself" in response.content.decode()
