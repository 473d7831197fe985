"""The part of a PVS's page that shows its metrics."""

from dataclasses import replace

import pytest
from django.urls import reverse

from scoring import pvs_metrics
from scoring.metrics import all_metrics
from scoring.models import Measurement


@pytest.mark.parametrize(
    ("higher_is_better", "said", "worst"),
    [(True, "Higher is better.", 2), (False, "Lower is better.", 1)],
)
def test_the_worst_frame_follows_the_direction_of_the_metric(
    client, people, study, monkeypatch, higher_is_better, said, worst
):
    metric = replace(all_metrics()["vmaf"], higher_is_better=higher_is_better)
    monkeypatch.setattr(pvs_metrics, "all_metrics", lambda: {"vmaf": metric})
    measured = Measurement.objects.filter(metric="vmaf").first()
    measured.values = [50.0, 90.0, 10.0, None]
    measured.save()
    client.force_login(people.owner)
    text = client.get(reverse("scoring:pvs-metrics", args=[measured.pvs_id])).content.decode()
    assert said in text
    assert f'<td class="num">{worst}</td></tr>' in text
