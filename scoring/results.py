"""The answer of a study: MOS with and without screening, verdicts, correlations, warnings.

Computed anew from the votes each time, so that nothing can go stale; pages and exports read this.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd
from django.db.models import QuerySet

from scoring.analysis import Analysis, Settings
from scoring.answer import EVERYBODY, Answer, Selection
from scoring.models import Measurement
from scoring.ratings import ratings_of
from scoring.raw_scores import RawScores, natural
from scoring.stats.matrix import FloatArray
from scoring.stats.screening import Screening
from scoring.study_scores import Condition, Stimulus, raw_scores_of
from scoring.wording import counted
from sessions_app.models import SessionState, Study, Viewer
from upscalers.models import PVS


class Results:
    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def ratings(self) -> pd.DataFrame:
        """Read when they are asked for: not every table of the export needs them at once."""
        return ratings_of(self.study)

    @cached_property
    def counted(self) -> pd.DataFrame:
        return self.ratings[self.ratings["counted"]]

    @cached_property
    def viewers(self) -> list[str]:
        return sorted(self.counted["viewer"].unique(), key=natural)

    @cached_property
    def stimuli(self) -> list[Stimulus]:
        return _stimuli_of(self.study, self.ratings["pvs"].unique().tolist())

    @cached_property
    def measurements(self) -> dict[tuple[int, str], Measurement]:
        """With the values of every frame, which are many; `metric_means` does without."""
        return {(row.pvs_id, row.metric): row for row in self._measured()}

    def _measured(self) -> QuerySet[Measurement]:
        return Measurement.objects.filter(pvs__in=[one.pvs for one in self.stimuli])

    @cached_property
    def without_votes(self) -> list[str]:
        """Viewers who have a seat in the test and no vote that counts."""
        seated = Viewer.objects.filter(study=self.study, seats__session__training=False)
        codes = set(seated.values_list("code", flat=True))
        return sorted(codes - set(self.viewers), key=natural)

    @cached_property
    def raw_scores(self) -> RawScores:
        """The counted votes; a viewer's votes on one PVS in several cells are repetitions."""
        return raw_scores_of(
            self.study,
            self.counted,
            self.viewers,
            self.stimuli,
            self.conditions,
            self.metric_means,
        )

    @cached_property
    def analysis(self) -> Analysis:
        """What the statistics say about these votes, as `manage.py analyse` computes it."""
        protocol = self.study.protocol
        chosen = Settings(
            lowest=protocol.scale.lowest,
            highest=protocol.scale.highest,
            fewest_viewers=protocol.fewest_viewers,
            screening_threshold=protocol.screening_threshold,
        )
        return Analysis(self.raw_scores, chosen)

    @property
    def scores(self) -> FloatArray:
        """Stimuli by viewers, each viewer's mean over the cells of a PVS."""
        return self.analysis.scores

    @cached_property
    def conditions(self) -> list[Condition]:
        order = {method: place for place, method in enumerate(self.study.methods)}
        found = {stimulus.condition for stimulus in self.stimuli}
        return sorted(found, key=lambda one: (order.get(one[0], len(order)), one))

    @property
    def screenings(self) -> dict[str, Screening]:
        return self.analysis.screenings

    @property
    def answers(self) -> dict[str, Answer]:
        """By everybody, and by those whom each rule that can reject leaves."""
        rules = (EVERYBODY, *self.analysis.side_by_side.rules)
        return {rule: self.analysis.answer(Selection(rule)) for rule in rules}

    @cached_property
    def metric_means(self) -> dict[str, FloatArray]:
        """Pooled value of each metric per stimulus; NaN where there is none."""
        row = {stimulus.pvs: j for j, stimulus in enumerate(self.stimuli)}
        means: dict[str, FloatArray] = {}
        for pvs, metric, mean in self._measured().values_list("pvs", "metric", "mean"):
            values = means.setdefault(metric, np.full(len(row), np.nan))
            values[row[pvs]] = np.nan if mean is None else mean
        return {metric: means[metric] for metric in sorted(means)}

    def warnings(self, selection: Selection) -> list[str]:
        """What a reader must know before using the numbers of a selection."""
        if not self.viewers:
            return []
        return [
            text
            for text in (
                self._too_few_viewers(selection),
                *self._said_by_the_rule(selection.rule),
                self._unfinished(),
                self._shown_as_trial(),
                self._shown_as_allowed(),
                self._not_counted(),
                self._incomplete(),
            )
            if text
        ]

    def _said_by_the_rule(self, rule: str) -> list[str]:
        if rule == EVERYBODY:
            return []
        screening = self.screenings[rule]
        return [screening.warning, screening.note, self._rejects_many(screening)]

    def _rejects_many(self, screening: Screening) -> str:
        rejected = int((~screening.kept).sum())
        if 2 * rejected < len(self.viewers):
            return ""
        return (
            f"The rule rejects {rejected} of {counted(len(self.viewers), 'viewer')}. That says "
            "more of the study than of them: where PVSs look much alike nobody's scores follow the "
            "mean. Look at the results of all viewers."
        )

    def _too_few_viewers(self, selection: Selection) -> str:
        least = self.study.protocol.fewest_viewers
        left = self.analysis.answer(selection).viewers
        if left >= least:
            return ""
        asked = f"The protocol asks for at least {least}, so take the numbers as a trial."
        rejected = len(self.viewers) - left
        if rejected:
            panel = len(self.viewers)
            return f"Without those left out {counted(left, 'viewer')} of {panel} remain. {asked}"
        return f"{counted(left, 'viewer')} gave counted votes. {asked}"

    def _unfinished(self) -> str:
        sessions = self.study.test_sessions
        total = sessions.count()
        over = sessions.filter(state__in=(SessionState.FINISHED, SessionState.ABORTED)).count()
        if over == total:
            return ""
        return f"Sessions over: {over} of {total}. The numbers will still change."

    def _shown_as_trial(self) -> str:
        overruled = self.study.test_sessions.exclude(overrule_reason="").count()
        if not overruled:
            return ""
        return (
            f"{counted(overruled, 'session')} ran on a display that had failed a check, so cells "
            "counted by the looser rule for trials: not for publication."
        )

    def _shown_as_allowed(self) -> str:
        rule = self.study.rule
        if rule.name != "study":
            return ""
        return (
            f"Cells count by this study's own rule, not by the exact one: {rule}. A publication "
            "has to state it."
        )

    def _not_counted(self) -> str:
        """Votes of test cells only: stabilisation never counts, so that is no surprise."""
        lost = self.ratings[
            ~self.ratings["counted"].astype(bool) & (self.ratings["kind"] == "test")
        ]
        if lost.empty:
            return ""
        return (
            f"{counted(len(lost), 'vote')} in {counted(lost['showing'].nunique(), 'showing')} of "
            "test cells do not count; the ratings table of the export says why."
        )

    def _incomplete(self) -> str:
        votes = self.analysis.answer().mos.votes
        short = int((votes < len(self.viewers)).sum())
        if not short:
            return ""
        return f"{short} of {len(votes)} PVSs were not scored by every viewer."


def _stimuli_of(study: Study, voted: list[int]) -> list[Stimulus]:
    """Every PVS the study compares or has votes for."""
    pairs = study.pairs.values_list("first", "second")
    wanted = {pvs for pair in pairs for pvs in pair} | set(voted)
    order = {method: place for place, method in enumerate(study.methods)}
    rows = PVS.objects.filter(pk__in=wanted).values_list(
        "pk",
        "low_resolution__source__name",
        "low_resolution__degradation",
        "low_resolution__scale",
        "method",
        "weights_sha256",
    )
    stimuli = [Stimulus(*row) for row in rows]
    return sorted(
        stimuli, key=lambda one: (one.source, order.get(one.method, len(order)), one.condition)
    )
