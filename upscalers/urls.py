from django.urls import path

from upscalers.views import jobs, material, methods, sources, uploads

app_name = "upscalers"

urlpatterns = [
    path("sources/", sources.sources, name="sources"),
    # Not below sources/, where every word may be the name of a source.
    path("sources-in/", sources.sources_in, name="sources-in"),
    path("uploads/", uploads.begin, name="upload-begin"),
    path("uploads/<uuid:pk>/", uploads.chunk, name="upload-chunk"),
    path("sources/<slug:name>/", sources.source, name="source"),
    path("sources/<slug:name>/thumbnail.jpg", sources.thumbnail, name="thumbnail"),
    path("sources/<slug:name>/pvss/", sources.pvs_table, name="pvs-table"),
    path("sources/<slug:name>/make/", sources.make_pvss, name="make-pvss"),
    path("sources/<slug:name>/rename/", sources.rename, name="rename-source"),
    path("sources/<slug:name>/remove/", sources.remove, name="remove-source"),
    path("pvs/<int:pk>/", material.pvs, name="pvs"),
    path("pvs/<int:pk>/remove/", material.remove_pvs, name="remove-pvs"),
    path("low-resolution/<int:pk>/", sources.low_resolution, name="low-resolution"),
    path(
        "low-resolution/<int:pk>/remove/",
        sources.remove_low_resolution,
        name="remove-low-resolution",
    ),
    path("clips/<int:pk>/file/<str:name>", material.clip_file, name="clip-file"),
    path("clips/<int:pk>/<int:frame>.png", material.still, name="still"),
    path("clips/<int:pk>/<int:frame>/<str:window>.png", material.still, name="crop"),
    path("methods/", methods.methods, name="methods"),
    path("methods/add/external/", methods.add_external, name="add-external"),
    path("methods/add/progress/", methods.methods_in, name="methods-in"),
    path("methods/<slug:slug>/", methods.method, name="method"),
    path("methods/<slug:slug>/remove/", methods.remove, name="remove-method"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/list/", jobs.jobs_list, name="jobs-list"),
    path("jobs/indicator/", jobs.indicator, name="jobs-indicator"),
    path("jobs/<int:pk>/cancel/", jobs.cancel, name="cancel-job"),
    path("jobs/<int:pk>/retry/", jobs.retry, name="retry-job"),
    path("jobs/<int:pk>/prioritise/", jobs.prioritise, name="prioritise-job"),
    path("jobs/pause/", jobs.hold, name="hold-jobs"),
    path("jobs/resume/", jobs.release, name="release-jobs"),
    path("jobs/cancel-all/", jobs.cancel_all, name="cancel-all-jobs"),
    path("jobs/<int:pk>/dismiss/", jobs.dismiss, name="dismiss-job"),
]
