"""Static files under names that carry their content's hash, so that browsers may keep them."""

from django.contrib.staticfiles.apps import StaticFilesConfig
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(StaticFilesConfig):
    """Leaves out what the wheels bring beyond the files that pages load."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        "ext",
        "htmax*",
        "htmx-4*",
        "datasets",
        "templates",
        "widgetbundle.js",
    ]


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    # ES modules import each other by relative paths: rewrite those too.
    support_js_module_import_aggregation = True
