"""All settings, read top to bottom from the environment; docs/settings.md lists the variables.

With none set, Midgrey runs on one machine with an embedded PostgreSQL and local files.
"""

from pathlib import Path

import plotly
import psycopg
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

from qa_portal import __version__, environment, lan
from qa_portal.postgres import EmbeddedPostgres

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = __version__
DATA_DIR = environment.private_folder(
    environment.folder("MIDGREY_DATA_DIR", BASE_DIR / "data", "`data` beside `manage.py`")
)
DEBUG = environment.boolean("MIDGREY_DEBUG", False)
SECRET_KEY = environment.text("MIDGREY_SECRET_KEY") or environment.kept_secret(
    DATA_DIR / "secret_key"
)
ALLOWED_HOSTS = environment.words("MIDGREY_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = environment.words("MIDGREY_TRUSTED_ORIGINS")
# `serve --lan` sets these for its children: its port for https, and where phones find their seats.
LAN_PORT = environment.integer("MIDGREY_LAN_PORT", 0)
SEATS_AT = environment.text("MIDGREY_SEATS_AT").rstrip("/")
AUTHORITY = lan.Authority(DATA_DIR / "lan")
if LAN_PORT:
    ALLOWED_HOSTS += lan.hosts()

# Applications: each may import the ones below it, never the ones above.
INSTALLED_APPS = [
    "qa_portal",
    "scoring",
    "sessions_app",
    "upscalers",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "qa_portal.static_files.StaticFiles",
    "channels",
    "procrastinate.contrib.django",
    "django_htmx",
    "csp",
]
MIDDLEWARE = [
    "qa_portal.middleware.isolation",
    "qa_portal.middleware.plain_http_for_seats_only",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "qa_portal.urls"
ASGI_APPLICATION = "qa_portal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Database: PostgreSQL only. Without DATABASE_URL an embedded one lives in the data folder.
DATABASE_URL = environment.text("DATABASE_URL")
EMBEDDED_POSTGRES = None if DATABASE_URL else EmbeddedPostgres(DATA_DIR)


def _connection() -> dict[str, str]:
    if EMBEDDED_POSTGRES:
        return EMBEDDED_POSTGRES.connection_parameters()
    try:
        given = conninfo_to_dict(DATABASE_URL)
    except psycopg.ProgrammingError as error:
        raise ImproperlyConfigured(
            f"DATABASE_URL is not a PostgreSQL address such as"
            f" postgresql://user:password@host/name: {str(error).strip()}."
        ) from None
    return {name: str(value) for name, value in given.items()}


_parameters = _connection()
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _parameters.pop("dbname", ""),
        "USER": _parameters.pop("user", ""),
        "PASSWORD": _parameters.pop("password", ""),
        "HOST": _parameters.pop("host", ""),
        "PORT": _parameters.pop("port", ""),
        "OPTIONS": _parameters,
        "CONN_HEALTH_CHECKS": True,
        # Under ASGI a kept connection belongs to a thread that may never serve again.
        "CONN_MAX_AGE": 0,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Jobs and live updates. Announcements travel between processes through PostgreSQL's NOTIFY,
# so that this layer only has to reach the sockets of its own process.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# People
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    )
]
LOGIN_FAILURES_ALLOWED = environment.integer("MIDGREY_LOGIN_FAILURES_ALLOWED", 10, least=1)

# Language and time
LANGUAGE_CODE = "en-gb"
TIME_ZONE = environment.text("MIDGREY_TIME_ZONE", "UTC")
USE_TZ = True

# Files
MEDIA_ROOT = environment.private_folder(DATA_DIR / "media")
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("vendor/plotly", Path(plotly.__file__).parent / "package_data"),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "qa_portal.static_files.HashedStaticFiles"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
DISK_LOW_GB = environment.integer("MIDGREY_DISK_LOW_GB", 10)

# The engine reads these itself, since it knows no Django; a bad value has to stop the start.
THREADS = environment.integer("MIDGREY_THREADS", 0)
DETERMINISTIC = environment.boolean("MIDGREY_DETERMINISTIC", False)

# Transport security
TLS = environment.boolean("MIDGREY_TLS", False)
BEHIND_PROXY = environment.boolean("MIDGREY_BEHIND_PROXY", False)
SECURE_HSTS_SECONDS = environment.integer("MIDGREY_HSTS_SECONDS", 0)
SECURE_SSL_REDIRECT = TLS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = TLS or LAN_PORT > 0
SESSION_COOKIE_HTTPONLY = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "connect-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF, "blob:"],
        "worker-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# Logs: JSON lines in the data folder, one file per process role; short lines on the console.
LOG_LEVEL = environment.text(
    "MIDGREY_LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR")
)
PROCESS = environment.text("MIDGREY_PROCESS", "manage")  # serve names its children by this
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "qa_portal.logs.JsonLines", "process": PROCESS},
        "short": {"()": "qa_portal.logs.ShortLines", "process": PROCESS},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "short"},
        "file": {
            "()": "qa_portal.logs.rotating_file",
            "path": DATA_DIR / "logs" / f"{PROCESS}.jsonl",
            "formatter": "json",
        },
    },
    "root": {"handlers": ["console", "file"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": [], "propagate": True},
        "uvicorn": {"level": "WARNING"},
        "procrastinate": {"level": "WARNING"},  # `midgrey.jobs` says what matters of it
    },
}
