"""Addresses of results."""

from django.urls import path

from scoring import downloads, pvs_metrics, views

app_name = "scoring"

urlpatterns = [
    path("pvs/<int:pk>/metrics/", pvs_metrics.pvs_metrics, name="pvs-metrics"),
    path("pvs/<int:pk>/measure/", pvs_metrics.measure, name="measure-pvs"),
    path("results/", views.results_list, name="results-list"),
    path("results/<slug:slug>/", views.results, name="results"),
    path("results/<slug:slug>/export/", downloads.export, name="export"),
    path("results/<slug:slug>/report/", downloads.report, name="report"),
]
