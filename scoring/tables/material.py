"""How each PVS was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scoring.results import Results
from scoring.study_scores import Stimulus
from scoring.tables.declaring import Column, Table
from scoring.tables.stimuli import stimulus_columns
from upscalers.models import PVS as MadePVS


@dataclass(frozen=True)
class MakingRow:
    what: Stimulus
    pvs: MadePVS


def _making_rows(results: Results) -> Iterator[MakingRow]:
    wanted = [stimulus.pvs for stimulus in results.stimuli]
    made = MadePVS.objects.select_related("clip", "low_resolution__clip").in_bulk(wanted)
    for stimulus in results.stimuli:
        yield MakingRow(stimulus, made[stimulus.pvs])


PVS = Table(
    "pvs",
    "How each PVS was made and what that cost. Empty costs were not measured, as of clips made "
    "elsewhere.",
    _making_rows,
    (
        *stimulus_columns("what."),
        Column("width", "integer", "Columns of the PVS.", "pvs.clip.width"),
        Column("height", "integer", "Rows of the PVS.", "pvs.clip.height"),
        Column("frames", "integer", "Frames of the PVS.", "pvs.clip.frames"),
        Column("frames_sha256", "text", "SHA-256 of all samples.", "pvs.clip.frames_sha256"),
        Column(
            "low_frames_sha256",
            "text",
            "SHA-256 of all samples of the low-resolution version.",
            lambda row: row.pvs.low_resolution.clip.frames_sha256,
        ),
        Column(
            "recipe",
            "object",
            "How the low-resolution version was made or recorded, JSON.",
            "pvs.low_resolution.recipe",
        ),
        Column("resampler", "text", "What followed a network of another scale.", "pvs.resampler"),
        Column("file", "text", "File of a PVS made elsewhere.", "pvs.file_name"),
        Column("device", "text", "What computed it.", "pvs.device"),
        Column(
            "wall_seconds",
            "number",
            "Seconds of work, summed over its parts.",
            "pvs.wall_seconds",
        ),
        Column(
            "device_seconds",
            "number",
            "Seconds of these in the method itself.",
            "pvs.device_seconds",
        ),
        Column("fps", "number", "Frames made per second of work.", "pvs.frames_per_second"),
        Column("joules", "number", "Energy of the card, where it counts it.", "pvs.joules"),
        Column(
            "gflop_per_frame",
            "number",
            "Operations of the network for a frame, in billions.",
            "pvs.gflop_per_frame",
        ),
        Column("parameters", "integer", "Parameters of the network.", "pvs.parameters"),
        Column(
            "peak_memory_bytes",
            "integer",
            "Most memory a part took: of the card, else of the process.",
            "pvs.peak_memory_bytes",
        ),
        Column("versions", "object", "What it was made with, JSON.", "pvs.versions"),
    ),
)

TABLES = (PVS,)
