"""Settings of the test run: those of the application, in a throw-away data folder.

Nothing of the person's own installation leaks in. Given DATABASE_URL, that server is used, with a
test database beside the named one; else an embedded PostgreSQL of the run's own.
"""

import os
import tempfile
from pathlib import Path

for name in [name for name in os.environ if name.startswith("MIDGREY_")]:
    del os.environ[name]
os.environ["MIDGREY_DATA_DIR"] = tempfile.mkdtemp(prefix="midgrey-tests-")
os.environ["MIDGREY_DEBUG"] = "true"  # static files under their plain names; Django clears DEBUG
os.environ["MIDGREY_PROCESS"] = "tests"

from qa_portal.settings import *  # noqa: E402, F403
from qa_portal.settings import DATA_DIR, EMBEDDED_POSTGRES, STATIC_ROOT  # noqa: E402

assert Path(os.environ["MIDGREY_DATA_DIR"]) == DATA_DIR
STATIC_ROOT.mkdir()  # WhiteNoise misses it otherwise
if EMBEDDED_POSTGRES:
    EMBEDDED_POSTGRES.durable = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, and nobody's secret
