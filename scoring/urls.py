"""Addresses of results."""

from django.urls import path

from scoring import views

app_name = "scoring"

urlpatterns = [
    path("results/", views.results_list, name="results-list"),
    path("results/<slug:slug>/", views.results, name="results"),
    path("results/<slug:slug>/export/", views.export, name="export"),
]
