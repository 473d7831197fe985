from django.urls import path

from sessions_app.views import studies

app_name = "sessions"

urlpatterns = [
    path("studies/", studies.studies, name="studies"),
    path("studies/new/", studies.new_study, name="new-study"),
    path("studies/<slug:slug>/", studies.study, name="study"),
    path("studies/<slug:slug>/edit/", studies.edit_study, name="edit-study"),
    path("studies/<slug:slug>/material/", studies.material, name="study-material"),
    path("studies/<slug:slug>/make/", studies.make_material, name="make-material"),
    path("studies/<slug:slug>/plan/", studies.make_plan, name="plan-study"),
    path("studies/<slug:slug>/remove/", studies.remove_study, name="remove-study"),
    path("sessions/", studies.sessions, name="sessions"),
]
