"""Sources one by one: which method to take for each, and the MOS of every PVS."""

from __future__ import annotations

from typing import Any

import numpy as np

from scoring import figures
from scoring.sections.reading import Reading, estimate
from scoring.stats.ranking import BestOfContent

MOST_ROWS = 24  # PVSs shown at once; more are folded away


def section(reading: Reading) -> dict[str, Any]:
    rows = _rows(reading)
    return {
        "figure": figures.mos_by_source(
            reading.answer.mos, reading.sources, reading.series, reading.names
        ),
        "rows": rows,
        "folded": len(rows) > MOST_ROWS,
        "best": [_best(reading, one) for one in reading.answer.methods.best_of_contents]
        if len(reading.names) > 1
        else [],
    }


def _best(reading: Reading, found: BestOfContent) -> dict[str, Any]:
    alike = [reading.names[method] for method in found.alike()[1:]]
    return {
        "source": reading.answer.methods.contents[found.content],
        "method": reading.names[found.methods[0]],
        "mos": estimate(found.mos, 0),
        "alike": alike,
        "tested": len(found.methods) == 1 or bool(np.isfinite(found.less_others.p_t_holm).any()),
        "alone": len(found.methods) > 1 and not alike,
    }


def _rows(reading: Reading) -> list[dict[str, Any]]:
    everybody, used = reading.everybody.mos, reading.answer.mos
    return [
        {
            "source": stimulus.source,
            "pvs": stimulus.pvs,
            "method": reading.names[reading.series[j]],
            "all": estimate(everybody, j),
            "used": estimate(used, j),
            "change": used.mos[j] - everybody.mos[j],
        }
        for j, stimulus in enumerate(reading.results.stimuli)
    ]
