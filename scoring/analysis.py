"""Raw scores in, what the statistics say about them out, as plain data for JSON.

The keys are documented in docs/statistics.md and stay. What cannot be computed is null.
"""

from __future__ import annotations

import math
import platform
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy
from django.conf import settings

from scoring.analysis_methods import numbered
from scoring.answer import EVERYBODY, Answer, Selection
from scoring.raw_scores import RawScores
from scoring.stats.bootstrap import RESAMPLES, bootstrap_mos
from scoring.stats.differential import NO_REFERENCE, Direction, differential_scores
from scoring.stats.matrix import (
    BoolArray,
    FloatArray,
    IntArray,
    mean_of_repetitions,
    repetitions_as_viewers,
    smallest_step,
)
from scoring.stats.mos import (
    DDOF,
    LEVEL,
    MosTable,
    Z,
    before_and_after,
    grouped_mos,
    mean_opinion_scores,
)
from scoring.stats.screening import (
    THRESHOLD,
    Screening,
    SideBySide,
    screen_by_all,
    side_by_side,
)
from scoring.stats.subject_model import Mode, SubjectModel, fit_subject_model
from scoring.wording import counted

Found = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    lowest: float = 0.0
    highest: float = 10.0
    fewest_viewers: int = 9
    direction: Direction = Direction.HIGHER_IS_BETTER
    resamples: int = RESAMPLES
    seed: int = 0
    repetitions_as_votes: bool = False  # in the MOS; else a viewer counts once, with the mean
    mixed_model: bool = False  # needs statsmodels
    screening_threshold: float = THRESHOLD  # of the rules by Pearson's correlation
    screened_by: str = ""  # the rule whose rejected viewers comparisons and metrics leave out


class Analysis:
    """One file of raw scores, or the votes of one study, under one choice of settings."""

    def __init__(self, raw: RawScores, chosen: Settings | None = None) -> None:
        self.raw = raw
        self.chosen = chosen or Settings()
        self.votes = raw.votes if raw.votes.shape[2] > 1 else raw.votes[:, :, 0]
        self.scores = mean_of_repetitions(raw.votes)
        self._answers: dict[Selection, Answer] = {}
        self._models: dict[Mode, SubjectModel] = {}

    @cached_property
    def screenings(self) -> dict[str, Screening]:
        """Every rule on all viewers, by the names of docs/statistics.md."""
        return screen_by_all(
            self.votes,
            self._methods() if any(self.raw.method) else None,
            threshold=self.chosen.screening_threshold,
        )

    @cached_property
    def side_by_side(self) -> SideBySide:
        return side_by_side(self.screenings)

    def answer(self, selection: Selection | None = None) -> Answer:
        """By some of the viewers. Rules judge all of them; who is left out by hand goes after."""
        selection = selection or Selection()
        if selection not in self._answers:
            self._answers[selection] = Answer(
                self.raw,
                self.scores,
                selection,
                self._kept(selection),
                (self.chosen.lowest, self.chosen.highest),
                self.chosen.seed,
            )
        return self._answers[selection]

    def _kept(self, selection: Selection) -> BoolArray:
        kept = np.array([name not in selection.without for name in self.raw.subjects], np.bool_)
        if selection.rule != EVERYBODY:
            kept &= self.screenings[selection.rule].kept
        return kept

    def model(self, mode: Mode = Mode.REGULARISED) -> SubjectModel:
        """Of all viewers: who is careless weighs less instead of being left out."""
        if mode not in self._models:
            step = smallest_step(self.raw.votes)
            step = 1.0 if math.isnan(step) else step
            self._models[mode] = fit_subject_model(self.votes, mode, step=step)
        return self._models[mode]

    def as_data(self) -> Found:
        """Everything, with null for what is undefined; the order of keys is that of reading."""
        everybody = self.answer()
        selected = self.answer(Selection(self.chosen.screened_by or EVERYBODY))
        methods, metrics = selected.methods, selected.metrics
        found = {
            "settings": self._settings(),
            "subjects": list(self.raw.subjects),
            "stimuli": list(self.raw.stimuli),
            "rows": self.raw.rows,
            "missing": self.raw.missing,
            "bad_rows": [asdict(row) for row in self.raw.bad_rows],
            "ignored_columns": list(self.raw.ignored_columns),
            "warnings": self._warnings(),
            "mos": self._mos(),
            "mos_by_method": self._grouped("method", self.raw.method),
            "mos_by_content": self._grouped("content", self.raw.content),
            "dmos": self._dmos(),
            "screening": {name: self._screening(one) for name, one in self.screenings.items()},
            "screening_agreement": self._side_by_side(),
            "model": {mode.value: self._model(mode) for mode in (Mode.EXACT, Mode.REGULARISED)},
            "agreement": asdict(everybody.agreement),
            "comparison": methods.compared(),
            "mixed_model": methods.mixed_model() if self.chosen.mixed_model else None,
            "metrics": metrics.each(),
            "metric_differences": metrics.differences(),
            "versions": versions(),
        }
        return {name: plain(value) for name, value in found.items()}

    def _settings(self) -> Found:
        return asdict(self.chosen) | {
            "level": LEVEL,
            "z": Z,
            "ddof": DDOF,
            "step": smallest_step(self.raw.votes),
            "repetitions": int(self.raw.votes.shape[2]),
        }

    def _warnings(self) -> list[str]:
        voters = int((~np.isnan(self.scores)).any(axis=0).sum())
        least = self.chosen.fewest_viewers
        warnings = []
        if voters < least:
            warnings.append(
                f"{counted(voters, 'viewer')} voted; expert viewing asks for at least {least}, so "
                "take the numbers as a trial."
            )
        kept = int(self.screenings["pearson_iterative"].kept.sum())
        if kept < least <= voters:
            warnings.append(
                f"After screening (pearson_iterative) {kept} viewers are left; expert viewing asks "
                f"for at least {least}."
            )
        unscored = int(np.isnan(self.scores).all(axis=1).sum())
        if unscored:
            warnings.append(f"No vote and thus no MOS: {unscored} of {len(self.scores)} stimuli.")
        gaps = int(np.isnan(self.scores).sum())
        if gaps:
            warnings.append(f"{gaps} of {self.scores.size} votes are missing.")
        unclear = [content for content, rows in self._marked().items() if len(rows) > 1]
        if unclear:
            warnings.append(f"No DMOS, for several references: content {', '.join(unclear)}.")
        if any(r and not c for r, c in zip(self.raw.is_reference, self.raw.content, strict=True)):
            warnings.append("No DMOS where a reference has no content that says of what it is one.")
        return warnings

    def _mos(self) -> list[Found]:
        """The bootstrap always draws viewers."""
        as_votes = self.chosen.repetitions_as_votes
        table = mean_opinion_scores(
            repetitions_as_viewers(self.raw.votes) if as_votes else self.scores
        )
        interval = bootstrap_mos(
            self.scores, resamples=self.chosen.resamples, seed=self.chosen.seed
        )
        return [
            {
                "stimulus": name,
                "n": int(table.votes[j]),
                "mos": table.mos[j],
                "sd": table.sd[j],
                "ci_z": table.ci_z[j],
                "ci_t": table.ci_t[j],
                "bootstrap_low": interval.low[j],
                "bootstrap_high": interval.high[j],
                "content": self.raw.content[j],
                "method": self.raw.method[j],
                "is_reference": self.raw.is_reference[j],
            }
            for j, name in enumerate(self.raw.stimuli)
        ]

    def _grouped(self, name: str, labels: tuple[str, ...]) -> list[Found]:
        """Reference stimuli belong to no method; stimuli without a label to no group."""
        of = np.array([label != "" for label in labels], dtype=np.bool_)
        if name == "method":
            of &= ~np.array(self.raw.is_reference, dtype=np.bool_)
        group, names = numbered([label for label, use in zip(labels, of, strict=True) if use])
        table = grouped_mos(self.scores[of], group, len(names))
        return [{name: one} | row for one, row in zip(names, _rows(table), strict=True)]

    def _dmos(self) -> list[Found]:
        reference = self._references()
        if (reference == NO_REFERENCE).all():
            return []
        table = mean_opinion_scores(
            differential_scores(
                self.scores,
                reference,
                top=self.chosen.highest,
                direction=self.chosen.direction,
            )
        )
        return [
            {"stimulus": name, "reference": self.raw.stimuli[reference[j]]} | row
            for j, (name, row) in enumerate(zip(self.raw.stimuli, _rows(table), strict=True))
            if reference[j] != NO_REFERENCE
        ]

    def _references(self) -> IntArray:
        """Row of each stimulus' reference: the only one of its content that is marked as such."""
        one = {content: rows[0] for content, rows in self._marked().items() if len(rows) == 1}
        return np.array(
            [one.get(content, NO_REFERENCE) for content in self.raw.content], dtype=np.intp
        )

    def _marked(self) -> dict[str, list[int]]:
        """Rows of the stimuli marked as references, by content."""
        rows: dict[str, list[int]] = {}
        for j, is_reference in enumerate(self.raw.is_reference):
            if is_reference and self.raw.content[j]:
                rows.setdefault(self.raw.content[j], []).append(j)
        return rows

    def _screening(self, found: Screening) -> Found:
        change = before_and_after(self.scores, found.kept)
        return {
            "applicable": found.applicable,
            "warning": found.warning,
            "note": found.note,
            "criterion": asdict(found.criterion),
            "viewers": [
                {
                    "subject": name,
                    "statistic": viewer.statistic,
                    "threshold": viewer.threshold,
                    "verdict": viewer.verdict,
                    "rejected": viewer.rejected,
                    "order": viewer.order,
                    "reason": viewer.reason,
                    "peculiarity": viewer.peculiarity,
                    "stimuli": viewer.stimuli,
                    "details": dict(viewer.details),
                }
                for name, viewer in zip(self.raw.subjects, found.viewers, strict=True)
            ],
            "mos_after": change.after.mos,
            "ci_t_after": change.after.ci_t,
            "largest_change": change.largest_change,
        }

    def _side_by_side(self) -> Found:
        found = self.side_by_side
        return {
            "rules": list(found.rules),
            "times_rejected": dict(zip(self.raw.subjects, found.times.tolist(), strict=True)),
            "same_verdict": found.same_verdict,
            "rejected_by_both": found.rejected_by_both,
        }

    def _model(self, mode: Mode) -> Found:
        found = self.model(mode)
        data = {name: getattr(found, name) for name in SubjectModel.__dataclass_fields__}
        data["collapsed_onto"] = [self.raw.subjects[i] for i in found.collapsed_onto]
        return data

    def _methods(self) -> IntArray:
        """A number per method; references and stimuli without one are a condition of their own."""
        return numbered(
            [
                f"\0{is_reference}" if is_reference or not method else method
                for method, is_reference in zip(self.raw.method, self.raw.is_reference, strict=True)
            ]
        )[0]


def versions() -> Found:
    return {
        "midgrey": settings.VERSION,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


def plain(value: Any) -> Any:
    """For JSON: lists for arrays, null for what is not a number."""
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _rows(table: MosTable) -> list[Found]:
    def column(values: FloatArray, j: int) -> float:
        return float(values[j])

    return [
        {
            "n": int(table.votes[j]),
            "mos": column(table.mos, j),
            "sd": column(table.sd, j),
            "ci_z": column(table.ci_z, j),
            "ci_t": column(table.ci_t, j),
        }
        for j in range(len(table.mos))
    ]
