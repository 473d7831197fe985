"""Which method is better: every two of them, their ranking, and what the panel could have shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from scoring.analysis_methods import Methods
from scoring.answer import Answer
from scoring.results import Results
from scoring.rules import RULES
from scoring.stats.comparison import Paired
from scoring.stats.matrix import FloatArray
from scoring.stats.power import AfterTest
from scoring.tables.declaring import Column, Columns, Table
from scoring.tables.stimuli import METHOD_NAME, SELECTION


@dataclass(frozen=True)
class PairRow:
    selection: str
    first: str
    second: str
    source: str
    table: Paired
    place: int
    p_t_holm: FloatArray
    p_t_bh: FloatArray


@dataclass(frozen=True)
class RankRow:
    selection: str
    methods: Methods
    place: int

    @property
    def groups(self) -> str:
        found = self.methods.ranking.groups
        return " ".join(str(k + 1) for k, group in enumerate(found) if self.place in group)


@dataclass(frozen=True)
class PowerRow:
    selection: str
    found: AfterTest


def comparable(results: Results) -> Iterator[Answer]:
    """The selections by which methods can be compared: it takes two methods."""
    return (answer for answer in results.answers.values() if len(answer.methods.names) > 1)


def _pair_rows(results: Results) -> Iterator[PairRow]:
    for answer in comparable(results):
        methods, ranking = answer.methods, answer.methods.ranking
        for row, (a, b) in enumerate(zip(ranking.first, ranking.second, strict=True)):
            who = (
                answer.selection,
                methods.names[ranking.methods[a]],
                methods.names[ranking.methods[b]],
            )
            yield PairRow(*who, "", ranking.pairs, row, ranking.p_holm, methods.p_bh)
            apart = methods.apart[row]
            for k, content in enumerate(apart.contents):
                each = apart.per_content
                source = methods.contents[content]
                yield PairRow(*who, source, each, k, each.p_t_holm, each.p_t_bh)


def _rank_rows(results: Results) -> Iterator[RankRow]:
    for answer in comparable(results):
        for place in range(len(answer.methods.names)):
            yield RankRow(answer.selection, answer.methods, place)


def _power_rows(results: Results) -> Iterator[PowerRow]:
    for answer in comparable(results):
        yield PowerRow(answer.selection, answer.methods.power)


def _of_pair(name: str) -> Callable[[PairRow], Any]:
    return lambda row: getattr(row.table, name)[row.place]


def _of_mos(name: str) -> Callable[[RankRow], Any]:
    return lambda row: getattr(row.methods.ranking.mos, name)[row.place]


_DIFFERENCES: Columns = (
    Column("viewers", "integer", "Viewers who scored both.", _of_pair("viewers")),
    Column("mean", "number", "Mean difference, first less second.", _of_pair("mean")),
    Column("sd", "number", "Standard deviation of it over viewers.", _of_pair("sd")),
    Column("ci95_t", "number", "Half of its 95 % interval, Student's t.", _of_pair("ci")),
    Column("t", "number", "Statistic of the paired t test.", _of_pair("t")),
    Column("p_t", "number", "Paired t test, two-sided.", _of_pair("p_t")),
    Column(
        "p_t_holm",
        "number",
        "p_t by Holm: over all pairs of methods, or over the sources of this pair.",
        lambda row: row.p_t_holm[row.place],
    ),
    Column(
        "p_t_bh",
        "number",
        "p_t by Benjamini and Hochberg, over the same.",
        lambda row: row.p_t_bh[row.place],
    ),
    Column("positive", "integer", "Viewers who scored the first higher.", _of_pair("positive")),
    Column("negative", "integer", "Viewers who scored the second higher.", _of_pair("negative")),
    Column("ties", "integer", "Viewers who scored both the same.", _of_pair("ties")),
    Column("p_sign", "number", "Exact sign test, ties left out.", _of_pair("p_sign")),
    Column("wilcoxon", "number", "Wilcoxon's signed-rank statistic.", _of_pair("wilcoxon")),
    Column("p_wilcoxon", "number", "Wilcoxon's test, ties left out.", _of_pair("p_wilcoxon")),
    Column(
        "wilcoxon_exact",
        "boolean",
        "Exact for the ranks at hand; else normal.",
        _of_pair("wilcoxon_exact"),
    ),
    Column(
        "preference",
        "number",
        "Share that scored the first higher, of those who differ.",
        _of_pair("preference"),
    ),
    Column("preference_low", "number", "Lower end by Wilson.", _of_pair("preference_low")),
    Column("preference_high", "number", "Upper end by Wilson.", _of_pair("preference_high")),
)

COMPARISONS = Table(
    "comparisons",
    "Every two methods, paired by viewer: over all sources, and source by source.",
    _pair_rows,
    (
        Column("selection", "text", SELECTION),
        Column("first", "text", f"The method with the higher MOS. {METHOD_NAME}"),
        Column("second", "text", f"The other method. {METHOD_NAME}"),
        Column(
            "source",
            "text",
            "Source; empty: each viewer's mean difference over all sources that both have.",
        ),
        *_DIFFERENCES,
    ),
)

RANKING = Table(
    "ranking",
    "Methods from best to worst, and which cannot be told apart.",
    _rank_rows,
    (
        Column("selection", "text", SELECTION),
        Column("place", "integer", "1: the highest MOS.", lambda row: row.place + 1),
        Column(
            "method",
            "text",
            METHOD_NAME,
            lambda row: row.methods.names[row.methods.ranking.methods[row.place]],
        ),
        Column("viewers", "integer", "Viewers (N).", _of_mos("votes")),
        Column("mos", "number", RULES["by_method"], _of_mos("mos")),
        Column("sd", "number", RULES["sd"], _of_mos("sd")),
        Column("ci95_t", "number", RULES["ci95_t"], _of_mos("ci_t")),
        Column("ci95_z", "number", RULES["ci95_z"], _of_mos("ci_z")),
        Column(
            "groups",
            "text",
            "Numbers of the groups the method is in. No two methods of a group differ "
            "significantly (5 %, Holm over all pairs); not to differ is not to be equal.",
        ),
        Column("warning", "text", "What to heed.", "methods.ranking.warning"),
    ),
)

POWER = Table(
    "power",
    "What this panel could have shown between two methods (power 80 %, level 5 % over all pairs).",
    _power_rows,
    (
        Column("selection", "text", SELECTION),
        Column("viewers", "integer", "Viewers, the fewest of any pair.", "found.viewers"),
        Column("sd", "number", "SD of a viewer's difference, pooled over pairs.", "found.sd"),
        Column("comparisons", "integer", "Pairs of methods.", "found.comparisons"),
        Column("detectable", "number", "Smallest difference that shows.", "found.detectable"),
        Column(
            "panel_for_half",
            "integer",
            "Viewers that would show half of that.",
            "found.panel_for_half",
        ),
    ),
)

TABLES = (COMPARISONS, RANKING, POWER)
