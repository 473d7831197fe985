"""By which rules, constants, versions and design the tables were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict

from scoring.results import Results
from scoring.rules import StampLine, stamp
from scoring.tables.declaring import Column, Table
from sessions_app.models import Cell, Pair, Study


def _lines(results: Results) -> Iterator[StampLine]:
    yield from stamp(results.study)
    yield StampLine("hash of the study", design_hash(results.study))
    yield StampLine("hash of the votes", votes_hash(results))
    yield StampLine(
        "hashes",
        "SHA-256. Of the study: protocol, seed, methods, the samples of all sources and PVSs, and "
        "the plan of all sessions. Of the votes: the lines showing,viewer,pvs,score of the ratings "
        "that count, in their order, each ended by a line feed.",
    )


def design_hash(study: Study) -> str:
    """Differs when something else was planned or shown, not when it has another name."""
    pairs = Pair.objects.filter(study=study).order_by("pk")
    cells = Cell.objects.filter(session__study=study, repeats=None).order_by(
        "session__panel", "session__number", "position"
    )
    design = {
        "protocol": asdict(study.protocol),
        "seed": study.seed,
        "methods": study.methods,
        "anchor": study.anchor,
        "scale": float(study.scale),
        "degradation": study.degradation,
        "pairs": list(
            pairs.values_list(
                "first__low_resolution__source__clip__frames_sha256",
                "first__clip__frames_sha256",
                "second__clip__frames_sha256",
            )
        ),
        "cells": list(
            cells.values_list(
                "session__panel", "session__number", "position", "kind",
                "a__clip__frames_sha256", "b__clip__frames_sha256",
            )
        ),
    }  # fmt: skip
    text = json.dumps(design, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def votes_hash(results: Results) -> str:
    digest = hashlib.sha256()
    counted = results.counted
    columns = (counted[name] for name in ("showing", "viewer", "pvs", "score"))
    for line in zip(*columns, strict=True):
        digest.update(",".join(map(str, line)).encode() + b"\n")
    return digest.hexdigest()


METHOD = Table(
    "method",
    "By which rules, constants, versions and design all this was made.",
    _lines,
    (
        Column("name", "text", "What is stated."),
        Column("value", "text", "The statement."),
    ),
)

TABLES = (METHOD,)
