from django.urls import path

from upscalers.views import jobs, material, sources, uploads

app_name = "upscalers"

urlpatterns = [
    path("sources/", sources.sources, name="sources"),
    path("sources/progress/", sources.ingest_progress, name="ingest-progress"),
    path("sources/uploads/", uploads.begin, name="upload-begin"),
    path("sources/uploads/<uuid:pk>/", uploads.chunk, name="upload-chunk"),
    path("sources/<slug:name>/", sources.source, name="source"),
    path("sources/<slug:name>/thumbnail.jpg", sources.thumbnail, name="thumbnail"),
    path("sources/<slug:name>/pvss/", sources.pvs_table, name="pvs-table"),
    path("sources/<slug:name>/make/", sources.make_pvss, name="make-pvss"),
    path("sources/<slug:name>/rename/", sources.rename, name="rename-source"),
    path("sources/<slug:name>/remove/", sources.remove, name="remove-source"),
    path("pvs/<int:pk>/", material.pvs, name="pvs"),
    path("clips/<int:pk>/<int:frame>.png", material.still, name="still"),
    path("methods/", material.methods, name="methods"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/list/", jobs.jobs_list, name="jobs-list"),
    path("jobs/indicator/", jobs.indicator, name="jobs-indicator"),
    path("jobs/<int:pk>/cancel/", jobs.cancel, name="cancel-job"),
    path("jobs/<int:pk>/retry/", jobs.retry, name="retry-job"),
    path("jobs/<int:pk>/dismiss/", jobs.dismiss, name="dismiss-job"),
]
