"""Uploads in pieces, resumable at the byte where they stopped, for files of many gigabytes.

POST begins or finds an unfinished upload; PATCH appends one piece at a stated offset; DELETE
gives up. The browser's side is static/js/upload.js.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_http_methods, require_POST

from upscalers import intake, services, store
from upscalers.access import coordinator_required
from upscalers.core.errors import ClipError
from upscalers.models import Upload

LARGEST_PIECE = 64 << 20
BLOCK = 1 << 20
DISK_FULL = (
    "The disk of the server is full. Free some space there, then choose the same file again: its "
    "upload goes on where it stopped."
)


def _refuse(reason: str, status: int = 422) -> JsonResponse:
    return JsonResponse({"error": reason}, status=status)


@coordinator_required
@require_POST
def begin(request: HttpRequest) -> HttpResponseBase:
    try:
        wish = json.loads(request.body)
        name = os.path.basename(str(wish["file_name"]).replace("\\", "/")).strip()
        size = int(wish["size"])
        fingerprint = str(wish["fingerprint"])[:200]
        options = {key: str(value) for key, value in dict(wish.get("options") or {}).items()}
        options = intake.check(options)
    except ClipError as error:
        return _refuse(str(error))
    except (ValueError, KeyError, TypeError):
        return _refuse("This upload request is not understood. Reload the page and try again.", 400)
    if size < 1:
        return _refuse(f"{name} is empty: there is nothing to upload.")
    free = shutil.disk_usage(store.incoming_folder()).free
    if size * 3 > free:  # the file, its master and its playback rendition
        return _refuse(
            f"{name} needs about {size * 3 / 1e9:.1f} GB of disk with its master and rendition, "
            f"and {free / 1e9:.1f} GB are free. Free some space first."
        )
    wanted = {
        "owner_id": request.user.pk, "fingerprint": fingerprint, "size_bytes": size, "job": None,
        "options": options,  # the same file may be sent for several purposes, or cut differently
    }  # fmt: skip
    broken_off = Upload.objects.filter(**wanted).order_by("created_at").first()
    upload = broken_off or Upload.objects.create(file_name=name[:255], **wanted)
    return JsonResponse({"id": str(upload.id), "received": upload.received})


@coordinator_required
@require_http_methods(["PATCH", "DELETE"])
def chunk(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    with transaction.atomic():
        upload = (
            Upload.objects.select_for_update()
            .filter(pk=pk, owner_id=request.user.pk, job=None)
            .first()
        )
        if upload is None:
            return _refuse("This upload is not known any more. Start it again.", 404)
        if request.method == "DELETE":
            services.discard_upload(upload)
            return JsonResponse({})
        try:
            refusal = _append(upload, request)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return _refuse(DISK_FULL)
        if refusal:
            return refusal
        if upload.received == upload.size_bytes:
            try:
                intake.request(upload)
            except ClipError as error:  # what it was for is gone, and so is its use
                services.discard_upload(upload)
                return _refuse(str(error))
    return JsonResponse({"received": upload.received, "complete": upload.job_id is not None})


def _append(upload: Upload, request: HttpRequest) -> JsonResponse | None:
    offset = request.headers.get("Upload-Offset", "")
    length = int(request.headers.get("Content-Length") or 0)
    if not offset.isdecimal() or int(offset) != upload.received:
        return JsonResponse(
            {"error": "The upload continues elsewhere.", "received": upload.received}, status=409
        )
    if not 0 < length <= min(LARGEST_PIECE, upload.size_bytes - upload.received):
        return _refuse("This piece does not fit into the file that was announced.", 400)
    mode = "r+b" if upload.path.exists() else "wb"
    with upload.path.open(mode) as file:
        file.seek(upload.received)
        file.truncate()  # bytes of a piece that was never acknowledged
        left = length
        while left and (block := request.read(min(BLOCK, left))):
            file.write(block)
            left -= len(block)
        if left:
            return _refuse("The connection broke off. The upload can be continued.", 400)
        file.flush()
        os.fsync(file.fileno())
    upload.received += length
    upload.save(update_fields=["received", "updated_at"])
    return None
