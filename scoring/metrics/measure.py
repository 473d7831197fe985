"""Measures a PVS against its reference with every metric, in one run of ffmpeg.

ffmpeg pairs, stretches and converts mismatched clips without a word, so what must be equal is
compared first, frames are paired by number, and the log must hold every one of them.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

import ffmpeg

from scoring.metrics import Logged, Metric, MetricValues, all_metrics
from upscalers.core.clip import PIXEL_FORMATS, ClipFormat, OnProgress, ShouldStop, report
from upscalers.core.errors import ClipError
from upscalers.core.process import Ffmpeg, input_file, thread_count
from upscalers.core.video import probe

HDR_TRANSFERS = ("smpte2084", "arib-std-b67")


def measure(
    reference_path: Path,
    pvs_path: Path,
    fmt: ClipFormat,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> list[MetricValues]:
    """Every metric of the PVS, whose format is `fmt`, per frame and pooled."""
    reference, pvs = probe(Path(reference_path)), probe(Path(pvs_path))
    _refuse_mismatch(reference, pvs, fmt)
    common, notes = _common_format(reference, pvs)
    wanted = [m for m in all_metrics().values() if min(fmt.width, fmt.height) >= m.smallest]
    frames: list[Logged] = []
    if wanted:
        inputs = [
            _prepared(input_file(Path(pvs_path)), pvs, common),
            # ffmpeg-python would take two equal inputs for one: a harmless option tells them apart
            _prepared(input_file(Path(reference_path), stream_loop=0), reference, common),
        ]
        frames = _run(inputs, wanted, fmt, on_progress, should_stop)
    return [_values(metric, frames, common, notes) for metric in all_metrics().values()]


def _refuse_mismatch(reference: ClipFormat, pvs: ClipFormat, fmt: ClipFormat) -> None:
    if pvs != fmt:
        raise ClipError(f"the PVS on disk is {pvs}, not the {fmt} it was recorded as")
    for what, ours, theirs in (
        ("size", (reference.width, reference.height), (pvs.width, pvs.height)),
        ("frame count", reference.frames, pvs.frames),
        ("frame rate", reference.rate, pvs.rate),
        ("colour matrix", reference.matrix, pvs.matrix),
    ):
        if ours != theirs:
            raise ClipError(
                f"the PVS and its source differ in {what} ({_said(theirs)}, not {_said(ours)}): "
                "they cannot be compared frame by frame"
            )


def _said(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _common_format(reference: ClipFormat, pvs: ClipFormat) -> tuple[ClipFormat, list[str]]:
    """What both are converted to: the source's chroma, the deeper samples, limited range."""
    common, notes = reference, []
    if pvs.pix_fmt != reference.pix_fmt:
        depth = max(reference.bit_depth, pvs.bit_depth)
        wanted = (reference.chroma, depth)
        common = replace(common, pix_fmt={v: k for k, v in PIXEL_FORMATS.items()}[wanted])
        notes.append(f"measured as {common.pix_fmt}: the clips differ in sample format")
    if pvs.range != reference.range:
        common = replace(common, range="tv")
        notes.append("one of the clips was converted from full to limited range")
    return common, notes


def _prepared(source: Any, own: ClipFormat, common: ClipFormat) -> Any:
    video = source.video.filter("setparams", range=own.range)
    if own.range != common.range:
        video = video.filter("scale", in_range=own.range, out_range=common.range)
    return video.filter("format", common.pix_fmt).filter("settb", "AVTB").filter("setpts", "N")


def _run(
    inputs: Sequence[Any],
    metrics: Sequence[Metric],
    fmt: ClipFormat,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> list[Logged]:
    with tempfile.TemporaryDirectory(prefix="midgrey-metrics-") as folder:
        log = Path(folder) / "log.json"
        compared = ffmpeg.filter(
            inputs, "libvmaf", log_fmt="json", log_path=str(log), n_threads=thread_count(),
            shortest=1, repeatlast=0,
            model="|".join(m.model for m in metrics if m.model),
            feature="|".join(m.feature for m in metrics if m.feature),
        )  # fmt: skip
        output = ffmpeg.output(compared, "-", f="null").global_args(
            "-xerror", "-progress", "pipe:1", "-stats_period", "0.5"
        )
        with Ffmpeg(output, stdout=True) as process:
            for line in process.lines():
                name, _, value = line.partition("=")
                if name == "frame" and value.strip().isdigit():
                    report(min(int(value), fmt.frames), fmt.frames, on_progress, should_stop)
            _refuse_failure(process)
        frames = [one["metrics"] for one in json.loads(log.read_text())["frames"]]
    if len(frames) != fmt.frames:
        raise ClipError(f"only {len(frames)} of {fmt.frames} frames could be compared")
    return frames


def _refuse_failure(process: Ffmpeg) -> None:
    clean, status = process.ended_cleanly(), process.finish()
    if status < 0:
        raise ClipError(f"ffmpeg crashed while measuring (signal {-status})")
    if not clean:
        raise ClipError(f"the clips could not be measured: {process.messages}")


def _values(
    metric: Metric, frames: list[Logged], fmt: ClipFormat, notes: Sequence[str]
) -> MetricValues:
    notes = list(notes)
    if min(fmt.width, fmt.height) < metric.smallest:
        notes.append(
            f"not measured: {metric.name} needs pictures of {metric.smallest}x{metric.smallest} "
            "or more"
        )
        return MetricValues(metric.slug, [None] * fmt.frames, None, "; ".join(notes))
    values = [_finite(metric.value(frame, fmt.bit_depth)) for frame in frames]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        which = "all frames" if not known else f"{len(values) - len(known)} of {len(values)} frames"
        notes.append(f"{which} equal the source, so they have no finite value and do not count")
    if metric.sdr_only and fmt.transfer in HDR_TRANSFERS:
        notes.append(f"the model was made for SDR, this clip is HDR ({fmt.transfer})")
    mean = sum(known) / len(known) if known else None
    return MetricValues(metric.slug, values, mean, "; ".join(notes))


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
