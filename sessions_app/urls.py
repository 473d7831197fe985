from django.urls import path

from sessions_app.views import commissioning, evidence, paper, running, studies

app_name = "sessions"

urlpatterns = [
    path("studies/", studies.studies, name="studies"),
    path("studies/new/", studies.new_study, name="new-study"),
    path("studies/<slug:slug>/", studies.study, name="study"),
    path("studies/<slug:slug>/edit/", studies.edit_study, name="edit-study"),
    path("studies/<slug:slug>/material/", studies.material, name="study-material"),
    path("studies/<slug:slug>/make/", studies.make_material, name="make-material"),
    path("studies/<slug:slug>/plan/", studies.make_plan, name="plan-study"),
    path("studies/<slug:slug>/training/<int:panel>/", studies.add_training, name="add-training"),
    path("studies/<slug:slug>/remove/", studies.remove_study, name="remove-study"),
    path("sessions/", studies.sessions, name="sessions"),
    path("sessions/<int:pk>/console/", running.console, name="console"),
    path("sessions/<int:pk>/seats/<int:seat_pk>/qr.svg", running.seat_qr, name="seat-qr"),
    path("sessions/<int:pk>/paper/", paper.paper, name="paper"),
    path("sessions/<int:pk>/evidence/", evidence.evidence, name="evidence"),
    path("commissioning/", commissioning.commission, name="commission"),
    path("commissioning/clip/", commissioning.counter_clip, name="counter-clip"),
    path(
        "commissioning/clip/<int:pk>/",
        commissioning.counter_clip_file,
        name="counter-clip-file",
    ),
    path("commissioning/<int:pk>/", commissioning.commissioned, name="commissioned"),
    path(
        "commissioning/<int:pk>/log.csv", commissioning.commissioning_log, name="commissioning-log"
    ),
    path("show/<str:token>/", running.display, name="display"),
    path("show/<str:token>/clips/", running.display_clips, name="display-clips"),
    path("show/<str:token>/clips/<str:name>/", running.display_clip, name="display-clip"),
    path("seat/worker.js", running.seat_worker, name="seat-worker"),
    path("seat/<str:token>/", running.seat, name="seat"),
    path("join/", running.join, name="join"),
]
