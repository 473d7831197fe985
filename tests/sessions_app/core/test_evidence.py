"""Which showings count: by the exact rule, by a study's own, by that of a trial."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from sessions_app.core.evidence import EXACT, TRIAL, Evidence, Rule, allowing, judge, parse_evidence

CLIPS = {"a": ("ab", 250)}


def evidence(gap: float = 20.0, **phase: Any) -> Evidence:
    told = {
        "name": "a", "planned_ms": 10000.0, "measured_ms": 10000.0, "frames_shown": 250,
        "frames_late": 0, "missed_refreshes": 0, **phase,
    }  # fmt: skip
    return parse_evidence(
        {
            "refresh_hz": 50.0, "largest_gap_ms": gap, "phases": [told], "events": [],
            "clips": {"a": "ab"},
        }
    )  # fmt: skip


LOOSE = allowing(0.98, 2, 3, 90.0)


@pytest.mark.parametrize(
    ("seen", "inside"),
    [
        (evidence(), True),
        (evidence(frames_shown=245), True),
        (evidence(frames_shown=244), False),
        (evidence(frames_late=2), True),
        (evidence(frames_late=3), False),
        (evidence(missed_refreshes=3, gap=80.0), True),
        (evidence(missed_refreshes=4, gap=80.0), False),
        (evidence(missed_refreshes=3, gap=100.0), False),
        (evidence(measured_ms=10200.0), False),
    ],
)
def test_a_study_counts_what_it_allows_and_no_more(seen: Evidence, inside: bool) -> None:
    assert judge(seen, CLIPS, LOOSE).valid is inside


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ({}, "shown exactly"),
        ({"frames_arrived": 250, "frames_held": 0, "arrived_ms": 10003.0}, "shown exactly"),
        ({"frames_arrived": 249, "frames_held": 0}, "a: 249 of 250 frames shown"),
        ({"frames_arrived": 250, "frames_held": 1}, "a: 1 frame late"),
        ({"frames_arrived": 250, "arrived_ms": 9900.0}, "a: lasted 9900 ms instead of 10000 ms"),
        ({"frames_arrived": 0, "frames_held": 0}, "a: 0 of 250 frames shown"),
    ],
)
def test_what_was_painted_in_time_must_have_been_on_the_screen_too(
    told: dict[str, Any], verdict: str
) -> None:
    """Where the browser tells; where it does not, its display fails the check for it."""
    assert str(judge(evidence(**told), CLIPS)) == verdict


@pytest.mark.parametrize(
    ("rule", "pause", "verdict"),
    [
        (EXACT, {"arrived_ms": 519.0}, "shown exactly"),
        (EXACT, {"arrived_ms": 540.0}, "pause: lasted 540 ms instead of 500 ms"),
        (EXACT, {"measured_ms": 460.0}, "pause: lasted 460 ms instead of 500 ms"),
        # As grey as what was before; and of the vote nothing is known.
        (EXACT, {"name": "before", "arrived_ms": 540.0}, "shown exactly"),
        (EXACT, {"name": "after", "measured_ms": None}, "shown exactly"),
        # A first frame that may be late, and refreshes that may be missed.
        (LOOSE, {"arrived_ms": 540.0}, "shown as the study allows: pause: lasted 540 ms instead of "
                                       "500 ms"),
        (LOOSE, {"arrived_ms": 560.0}, "pause: lasted 560 ms instead of 500 ms"),
        (TRIAL, {"measured_ms": 600.0, "missed_refreshes": 4}, "shown well enough for a trial"),
        (TRIAL, {"measured_ms": 600.0}, "pause: lasted 600 ms instead of 500 ms"),
    ],
)  # fmt: skip
def test_a_pause_between_two_clips_is_as_long_as_planned(
    rule: Rule, pause: dict[str, Any], verdict: str
) -> None:
    clip = evidence().phases[0]
    grey = replace(clip, name="pause", planned_ms=500.0, measured_ms=500.0, frames_shown=0)
    grey = replace(grey, **pause)
    order = {"before": [grey, clip], "after": [clip, grey]}.get(
        grey.name, [clip, grey, replace(clip, name="b")]
    )
    seen = replace(evidence(), phases=tuple(order), clips={"a": "ab", "b": "ab"})
    clips = {phase.name: CLIPS["a"] for phase in order if phase is not grey}
    assert str(judge(seen, clips, rule)) == verdict


def test_a_verdict_says_what_was_not_exact_though_it_counts() -> None:
    allowed = judge(evidence(frames_late=2), CLIPS, LOOSE)
    assert str(allowed) == "shown as the study allows: a: 2 frames late"
    assert str(judge(evidence(), CLIPS, LOOSE)) == "shown exactly"
    assert str(judge(evidence(frames_late=2), CLIPS)) == "a: 2 frames late"
    assert str(judge(evidence(), CLIPS, TRIAL)) == "shown well enough for a trial"


def test_a_study_that_allows_nothing_has_the_exact_rule() -> None:
    assert allowing(1.0, 0, 0, None) is EXACT
    assert not judge(evidence(missed_refreshes=1, gap=40.0), CLIPS, EXACT).valid


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (EXACT, "every frame shown, no frame late, no refresh missed, clips and pauses as long as "
                "planned to one refresh and 0.25 %"),
        (LOOSE, "at least 98 % of the frames shown, at most 2 frames late, at most 3 refreshes "
                "missed, clips and pauses as long as planned to one refresh and 0.25 %, no "
                "standstill over 90 ms"),
        (allowing(1.0, 1, 1, None), "every frame shown, at most 1 frame late, at most 1 refresh "
                                    "missed, clips and pauses as long as planned to one "
                                    "refresh and 0.25 %"),
        (TRIAL, "at least 90 % of the frames shown, clips and pauses as long as planned to one "
                "refresh and 10 %, no standstill over 500 ms"),
    ],
)  # fmt: skip
def test_a_rule_states_itself_in_words(rule: Rule, words: str) -> None:
    assert str(rule) == words


def test_a_rule_is_kept_as_strict_json() -> None:
    kept = json.loads(json.dumps(TRIAL.as_json(), allow_nan=False))
    assert kept["most_late"] is None and kept["forgiven"] == ["fullscreen", "window"]
    assert kept["edition"] == 2, "raise it with the meaning, and say here what it means"
    again = replace(TRIAL, **{k: math.inf for k, v in kept.items() if v is None})
    assert again.as_json() == kept
