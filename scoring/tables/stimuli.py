"""Columns that say which PVS or method a row is about, and by whose votes."""

from __future__ import annotations

from scoring.rules import SELECTIONS
from scoring.tables.declaring import Column, Columns


def condition_columns(prefix: str = "") -> Columns:
    return (
        Column("method", "text", "Method of upscaling.", f"{prefix}method"),
        Column("scale", "number", "Factor of upscaling.", f"{prefix}scale"),
        Column("degradation", "text", "How the source was made small.", f"{prefix}degradation"),
        Column(
            "weights_sha256",
            "text",
            "SHA-256 of the network's weights; empty for classical methods.",
            f"{prefix}weights_sha256",
        ),
    )


def stimulus_columns(prefix: str = "") -> Columns:
    return (
        Column("pvs", "integer", "Number of the PVS in this installation.", f"{prefix}pvs"),
        Column("source", "text", "Source (SRC) of the PVS.", f"{prefix}source"),
        *condition_columns(prefix),
    )


SELECTION = "Whose votes are used. " + " ".join(
    f"{name}: {text.rule}" for name, text in SELECTIONS.items() if name != "bias_removal"
)
METHOD_NAME = (
    "Method, with factor, degradation or weights added where the study has one method with several."
)
