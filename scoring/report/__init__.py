"""A study's report: one HTML file with figures, tables, the method in words, and what deviates.

It needs nothing from anywhere else, so it can be mailed, archived and printed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from scoring.answer import EVERYBODY, Answer, Selection
from scoring.metrics import all_metrics
from scoring.report import figures
from scoring.report.deviations import deviations
from scoring.report.sittings import sittings
from scoring.results import Results
from scoring.rules import DEFAULT_SELECTION, RULES, SELECTIONS
from scoring.sections.reading import Reading
from scoring.sections.summary import sentences
from scoring.stats.mos import MosTable
from scoring.stats.power import AfterTest
from scoring.tables.method import METHOD
from scoring.wording import minus
from sessions_app.core.planner import UNMEASURED

NONE = "–"


class NothingToReport(Exception):
    """There is no vote to report on."""


def report_html(results: Results, selection: Selection | None = None) -> str:
    if not results.viewers:
        raise NothingToReport("Nobody has voted in a counted cell yet; there is nothing to report.")
    selection = selection or Selection(DEFAULT_SELECTION)
    used, everybody = results.analysis.answer(selection), results.analysis.answer()
    if not used.viewers:
        raise NothingToReport("Everybody is left out, so there are no numbers to report.")
    reading = Reading.of(results, selection)
    names, label = reading.names, _label(selection)
    context = {
        "study": results.study,
        "protocol": results.study.protocol,
        "phases": _phases(results),
        "today": timezone.localtime(),
        "footer": _css_text(f"{results.study.name}, {timezone.localdate()}"),
        "sentences": sentences(reading),
        "sittings": sittings(results.study),
        "plan": [note for note in results.study.plan_notes if note != UNMEASURED],
        "tested": bool(np.isfinite(used.methods.ranking.p_holm).any()),
        "left_out": _left_out(results, used),
        "used": used,
        "panel": len(results.viewers),
        "counted": len(results.counted),
        "cast": len(results.ratings),
        "stimuli": len(results.stimuli),
        "label": label,
        "rule_label": SELECTIONS[selection.rule].label,
        "rule": SELECTIONS[selection.rule].rule,
        "rule_decides": selection.rule != EVERYBODY,
        "judged_by": SELECTIONS[_judging(selection.rule)].label,
        "by_pearson": selection.rule.startswith("pearson"),
        "screened": not used.kept.all() or selection.rule != EVERYBODY,
        "rules": RULES,
        "deviations": deviations(results, used),
        "methods": _methods(everybody, used, names),
        "pairs": list(_pairs(used, names)),
        "pvss": list(_pvss(results, everybody, used, names)),
        "viewers": list(_viewers(results, used)),
        "metrics": list(_metrics(results, used, names)),
        "agreement": list(_agreement(used, everybody)),
        "agreement_of": used.agreement,
        "power": _power(used),
        "by_method": _drawn(figures.by_method(results, used, everybody, names, label)),
        "by_source": [_drawn(one) for one in figures.by_source(results, used, names)],
        "by_viewer": _drawn(
            figures.by_viewer(results, selection.rule) if selection.rule != EVERYBODY else ""
        ),
        "stamp": [
            line
            for line in METHOD.rows(results)
            if not line.name.startswith(("rule ", "selection "))
        ],
    }
    return render_to_string("scoring/report.html", context)


def _label(selection: Selection) -> str:
    """Whose votes are used, short enough for the head of a column."""
    label = SELECTIONS[selection.rule].label
    return f"{label}, and by hand" if selection.without else label


def _css_text(text: str) -> SafeString:
    """A string of CSS that can hold nothing but this text."""
    safe = "".join(one if one.isalnum() else f"\\{ord(one):x} " for one in text)
    return mark_safe(f'"{safe}"')


def _power(used: Answer) -> AfterTest | None:
    if len(used.raw.methods) < 2:
        return None
    return used.methods.power if math.isfinite(used.methods.power.detectable) else None


def _left_out(results: Results, used: Answer) -> list[str]:
    kept = zip(results.viewers, used.kept, strict=True)
    return [code for code, is_kept in kept if not is_kept]


AGREEMENT = {
    "icc_single": "ICC(2,1)",
    "icc_mean": "ICC(2,k)",
    "alpha_interval": "Krippendorff's alpha, interval",
    "alpha_ordinal": "Krippendorff's alpha, ordinal",
    "split_half": "Split half",
    "sos_a": "SOS a",
}


def _agreement(used: Answer, everybody: Answer) -> Iterator[dict[str, str]]:
    for name, title in AGREEMENT.items():
        yield {
            "title": title,
            "used": _two(getattr(used.agreement, name)),
            "all": _two(getattr(everybody.agreement, name)),
            "rule": RULES[name],
        }


def _phases(results: Results) -> list[str]:
    said = []
    for phase in results.study.protocol.phases:
        what = {"reference": "the source", "a": "PVS A", "b": "PVS B"}.get(phase.stimulus or "")
        if what:
            said.append(what)
        elif phase.votes:
            said.append(f"“{phase.message.format(number='N')}” for {phase.seconds:g}\N{NBSP}s")
        else:
            shown = f"“{phase.message}”" if phase.message else "mid-grey"
            said.append(f"{shown} for {phase.seconds:g}\N{NBSP}s")
    return said


def _methods(everybody: Answer, used: Answer, names: Sequence[str]) -> list[dict[str, Any]]:
    place = {name: k for k, name in enumerate(used.raw.methods)}
    ranking = used.methods.ranking
    rows = []
    for rank, method in enumerate(ranking.methods):
        k = place[used.methods.names[method]]
        groups = [chr(ord("a") + n) for n, group in enumerate(ranking.groups) if rank in group]
        rows.append(
            {
                "name": names[k],
                "all": _estimate(everybody.by_condition, k),
                "used": _estimate(used.by_condition, k),
                "groups": " ".join(groups),
            }
        )
    return rows


def _pairs(used: Answer, names: Sequence[str]) -> Iterator[dict[str, str]]:
    methods, ranking = used.methods, used.methods.ranking
    shown = dict(zip(used.raw.methods, names, strict=True))
    for row, (a, b) in enumerate(zip(ranking.first, ranking.second, strict=True)):
        yield {
            "first": shown[methods.names[ranking.methods[a]]],
            "second": shown[methods.names[ranking.methods[b]]],
            "mean": _with_ci(ranking.pairs.mean[row], ranking.pairs.ci[row]),
            "p": _p(float(ranking.p_holm[row])),
            "wilcoxon": _p(float(ranking.pairs.p_wilcoxon[row])),
            "preference": _percent(float(ranking.pairs.preference[row])),
        }


def _pvss(
    results: Results, everybody: Answer, used: Answer, names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    place = {condition: k for k, condition in enumerate(results.conditions)}
    for j, stimulus in enumerate(results.stimuli):
        yield {
            "source": stimulus.source,
            "method": names[place[stimulus.condition]],
            "all": _estimate(everybody.mos, j),
            "used": _estimate(used.mos, j),
        }


def _judging(rule: str) -> str:
    """Where all viewers are used the report still shows what the default rule says of them."""
    return rule if rule != EVERYBODY else DEFAULT_SELECTION


def _viewers(results: Results, used: Answer) -> Iterator[dict[str, Any]]:
    rule = _judging(used.chosen.rule)
    times = results.analysis.side_by_side.times
    for i, (code, found) in enumerate(
        zip(results.viewers, results.screenings[rule].viewers, strict=True)
    ):
        yield {
            "code": code,
            "stimuli": found.stimuli,
            "statistic": _three(found.statistic),
            "threshold": _three(found.threshold),
            "verdict": found.verdict.value,
            "reason": minus(found.reason),
            "times": int(times[i]),
            "out": not used.kept[i],
            "by_hand": code in used.chosen.without,
        }


def _metrics(results: Results, used: Answer, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    known = all_metrics()
    for slug, found in used.metrics.by_cubic.items():
        name = known[slug].name if slug in known else slug
        unit = known[slug].unit if slug in known else ""
        axis = f"{name} ({unit})" if unit else name
        yield {
            "name": name,
            "n": found.n,
            "left_out": found.missing + found.infinite,
            "plcc": _interval(found.plcc, found.plcc_low, found.plcc_high),
            "srocc": _three(found.srocc),
            "rmse": _interval(found.rmse, found.rmse_low, found.rmse_high),
            "outliers": _percent(found.outlier_ratio),
            "reason": found.reason,
            "figure": _drawn(figures.against_metric(results, used, slug, axis, names)),
        }


def _estimate(table: MosTable, place: int) -> dict[str, Any]:
    return {
        "n": int(table.votes[place]),
        "mos": _two(table.mos[place]),
        "ci": _two(table.ci_t[place]),
        "sd": _two(table.sd[place]),
    }


def _drawn(svg: str) -> SafeString:
    """Made by `svg`, which escapes every text it is given."""
    return mark_safe(svg)


def _two(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else _rounded(value, 2)


def _three(value: float) -> str:
    return _rounded(value, 3)


def _rounded(value: float, digits: int) -> str:
    return minus(f"{value:.{digits}f}") if math.isfinite(value) else NONE


def _interval(value: float, low: float, high: float) -> str:
    return f"{_three(value)} [{_three(low)}, {_three(high)}]" if math.isfinite(value) else NONE


def _with_ci(value: float, half: float) -> str:
    return f"{_two(value)} ± {_two(half)}" if math.isfinite(half) else _two(value)


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if math.isfinite(value) else NONE


def _p(value: float) -> str:
    if not math.isfinite(value):
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


__all__ = ["NothingToReport", "report_html"]
