"""Addresses of the whole application."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView

from qa_portal import views

handler500 = "qa_portal.views.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="upscalers:sources"), name="home"),
    path("login/", views.LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", views.PasswordChangeView.as_view(), name="password_change"),
    path("people/", views.people, name="people"),
    path("people/<int:pk>/", views.person, name="person"),
    path("people/<int:pk>/password/", views.reset_password, name="reset_password"),
    path("healthz", views.healthz, name="healthz"),
    path("lan/", views.trust, name="lan"),
    path("lan/midgrey.crt", views.authority, name="authority"),
    path("", include("upscalers.urls")),
    path("", include("sessions_app.urls")),
    path("", include("scoring.urls")),
]
