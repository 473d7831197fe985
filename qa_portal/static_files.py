"""Static files under names that carry their content's hash, so that browsers may keep them."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    # ES modules import each other by relative paths: rewrite those too.
    support_js_module_import_aggregation = True
