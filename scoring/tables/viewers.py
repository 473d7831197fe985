"""The viewers: what each rule of screening found, how far they agree, what the model says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from scoring.results import Results
from scoring.rules import RULES
from scoring.stats.agreement import Agreement
from scoring.stats.screening import ViewerScreening
from scoring.stats.subject_model import Mode, SubjectModel
from scoring.study_scores import Stimulus
from scoring.tables.declaring import Column, Table
from scoring.tables.stimuli import SELECTION, stimulus_columns


@dataclass(frozen=True)
class ViewerRow:
    rule: str
    viewer: str
    found: ViewerScreening


@dataclass(frozen=True)
class AgreementRow:
    selection: str
    found: Agreement


@dataclass(frozen=True)
class ModelRow:
    found: SubjectModel
    what: Stimulus | str | None = None  # a PVS, a viewer, or the model as a whole
    place: int = 0


def _viewer_rows(results: Results) -> Iterator[ViewerRow]:
    for rule, screening in results.screenings.items():
        for viewer, found in zip(results.viewers, screening.viewers, strict=True):
            yield ViewerRow(rule, viewer, found)


def _agreement_rows(results: Results) -> Iterator[AgreementRow]:
    for selection, answer in results.answers.items():
        yield AgreementRow(selection, answer.agreement)


def _models(results: Results) -> list[SubjectModel]:
    return [results.analysis.model(mode) for mode in (Mode.REGULARISED, Mode.EXACT)]


def _model_rows(results: Results) -> Iterator[ModelRow]:
    for found in _models(results):
        yield ModelRow(found)


def _quality_rows(results: Results) -> Iterator[ModelRow]:
    for found in _models(results):
        for place, stimulus in enumerate(results.stimuli):
            yield ModelRow(found, stimulus, place)


def _bias_rows(results: Results) -> Iterator[ModelRow]:
    for found in _models(results):
        for place, viewer in enumerate(results.viewers):
            yield ModelRow(found, viewer, place)


def _at(name: str) -> Callable[[ModelRow], Any]:
    return lambda row: getattr(row.found, name)[row.place]


_MODE = Column(
    "mode",
    "text",
    "regularised: as if each viewer had cast five more votes with the panel's variance; exact: as "
    "published, whose estimate may collapse onto one viewer in a small panel.",
    "found.mode.value",
)

SCREENING = Table(
    "screening",
    "What each rule of screening found about each viewer.",
    _viewer_rows,
    (
        Column("rule", "text", "Rule of screening; the method table says what each does."),
        Column("viewer", "text", "Code of the viewer."),
        Column("stimuli", "integer", "PVSs the viewer scored.", "found.stimuli"),
        Column(
            "statistic",
            "number",
            f"What the rule measures. By Pearson: {RULES['statistic']}",
            "found.statistic",
        ),
        Column(
            "threshold",
            "number",
            f"What it is held against. By Pearson: {RULES['threshold']}",
            "found.threshold",
        ),
        Column(
            "verdict",
            "text",
            "accepted, rejected, 'failed, kept' or 'not assessed'.",
            "found.verdict.value",
        ),
        Column("order", "integer", "Order of removal, one-by-one rules only.", "found.order"),
        Column("reason", "text", "The verdict in a sentence.", "found.reason"),
        Column(
            "peculiarity",
            "text",
            "constant scores, a scale held upside down, or absence, where they are seen.",
            "found.peculiarity",
        ),
        Column(
            "details", "object", "What else the rule measured, JSON.", lambda row: row.found.details
        ),
    ),
)

AGREEMENT = Table(
    "agreement",
    "How far the viewers agree.",
    _agreement_rows,
    (
        Column("selection", "text", SELECTION),
        Column("icc_single", "number", "ICC(2,1): of one viewer's score.", "found.icc_single"),
        Column("icc_mean", "number", "ICC(2,k): of this panel's MOS.", "found.icc_mean"),
        Column("icc_stimuli", "integer", "PVSs that all scored; only these.", "found.icc_stimuli"),
        Column(
            "alpha_interval", "number", "Krippendorff's alpha, interval.", "found.alpha_interval"
        ),
        Column("alpha_ordinal", "number", "Krippendorff's alpha, ordinal.", "found.alpha_ordinal"),
        Column(
            "sos_a", "number", "SOS: variance = a (MOS - lowest)(highest - MOS).", "found.sos_a"
        ),
        Column(
            "split_half",
            "number",
            "Pearson between the MOS of random halves, by Spearman and Brown.",
            "found.split_half",
        ),
        Column("reason", "text", "Why a number is missing.", "found.reason"),
    ),
)

MODEL = Table(
    "subject_model",
    "The subject model (P.910 Annex E): how its fit went.",
    _model_rows,
    (
        _MODE,
        Column("log_likelihood", "number", "Per vote.", "found.log_likelihood"),
        Column("iterations", "integer", "Iterations.", "found.iterations"),
        Column("converged", "boolean", "Did the qualities come to rest?", "found.converged"),
        Column(
            "collapsed",
            "boolean",
            "Did a viewer's inconsistency shrink below what rounding alone makes?",
            "found.collapsed",
        ),
        Column("warning", "text", "What to heed.", "found.warning"),
    ),
)

QUALITY = Table(
    "subject_model_pvs",
    "The subject model's quality of each PVS.",
    _quality_rows,
    (
        _MODE,
        *stimulus_columns("what."),
        Column("quality", "number", "Estimated quality.", _at("quality")),
        Column("quality_se", "number", "Its standard error by the model.", _at("quality_se")),
        Column(
            "quality_se_residual",
            "number",
            "The same from the PVS' own residuals, as P.910 prints it.",
            _at("quality_se_residual"),
        ),
    ),
)

BIAS = Table(
    "subject_model_viewers",
    "The subject model's bias and inconsistency of each viewer.",
    _bias_rows,
    (
        _MODE,
        Column("viewer", "text", "Code of the viewer.", "what"),
        Column("bias", "number", "How far the viewer scores above quality.", _at("bias")),
        Column("bias_se", "number", "Its standard error.", _at("bias_se")),
        Column("inconsistency", "number", "SD of the viewer's noise.", _at("inconsistency")),
        Column("inconsistency_low", "number", "Its 95 % interval.", _at("inconsistency_low")),
        Column("inconsistency_high", "number", "Its 95 % interval.", _at("inconsistency_high")),
    ),
)

TABLES = (SCREENING, AGREEMENT, MODEL, QUALITY, BIAS)
