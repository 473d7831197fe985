"""What was seen of a run against its log: simulated screens, instruments and their faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sessions_app.core.commissioning import (
    BadCapture,
    BadLog,
    Comparison,
    Log,
    Sample,
    compare,
    compare_counts,
    look_at,
    parse_log,
    read_capture,
    refreshes_held,
)

HZ, FRAMES, BEGIN, PER_FRAME = 50.0, 20, 100, 2  # 25 fps
PERIOD = 1000 / HZ


def report(late: dict[int, int] | None = None, lost: tuple[int, ...] = ()) -> dict[str, object]:
    """As the page sends it; `late` frames are painted so many refreshes after their time."""
    rows = []
    for frame in range(FRAMES):
        due = BEGIN + PER_FRAME * frame
        refresh = due + (late or {}).get(frame, 0)
        if frame not in lost:
            rows.append([frame, due, refresh, refresh * PERIOD, refresh * PERIOD + 1.5])
    return {"refresh_hz": HZ, "ends": BEGIN + PER_FRAME * FRAMES, "painted": rows}


def log(late: dict[int, int] | None = None, lost: tuple[int, ...] = ()) -> Log:
    return parse_log(report(late, lost), FRAMES)


def light(shown: Log, interval: float = 2.5, delay: float = 31.0) -> Iterator[Sample]:
    """What an ideal screen would have an instrument see: the log, a while later."""
    step = 0
    while (ms := step * interval) < (shown.ends + 20) * PERIOD:
        step += 1
        on = [each for each in shown.painted if each.refresh * PERIOD + delay <= ms]
        over = ms >= shown.ends * PERIOD + delay
        yield Sample(ms, on[-1].frame if on and not over else None)


def judged(seen: list[Sample], told: Log) -> Comparison:
    return compare(look_at(seen, told), told)


@pytest.mark.parametrize("interval", [0.5, 2.5, 7.3, PERIOD])
def test_light_that_follows_the_log_agrees_however_densely_it_is_sampled(interval: float) -> None:
    seen = look_at(list(light(log(), interval)), log())
    assert compare(seen, log()) == Comparison(True, ())
    assert (seen.frames, seen.missing, seen.backwards, seen.foreign) == (FRAMES, (), (), 0)
    assert seen.duration_ms == pytest.approx(FRAMES * PER_FRAME * PERIOD, abs=interval)
    assert refreshes_held(seen, log()) == {PER_FRAME: FRAMES}


def test_a_fault_that_the_log_tells_of_agrees_too() -> None:
    faulty = log(late={7: 1}, lost=(12,))
    assert (faulty.late, faulty.missing) == ((7,), (12,))
    assert faulty.repeated == (6, 11)
    assert judged(list(light(faulty)), faulty).agrees


def test_a_frame_of_which_the_browser_tells_that_it_was_overtaken_is_missing_from_the_log() -> None:
    overtaken = report()
    overtaken["painted"] = [
        [*row, row[2] * PERIOD + (53 if row[0] == 7 else 15)]
        for row in overtaken["painted"]  # type: ignore[attr-defined]
    ]
    overtaken["ends_ms"] = (BEGIN + PER_FRAME * FRAMES) * PERIOD + 15
    told = parse_log(overtaken, FRAMES)
    assert (told.missing, told.repeated, told.late) == ((7,), (6,), ())
    assert told.duration_ms == pytest.approx(FRAMES * PER_FRAME * PERIOD, abs=5)
    assert judged(list(light(log(lost=(7,)))), told).agrees
    assert not judged(list(light(log())), told).agrees


def test_a_frame_that_was_painted_but_never_lit_is_found() -> None:
    found = judged(list(light(log(lost=(12,)))), log())
    assert not found.agrees
    assert "frame 12: painted by the log but not seen" in str(found)
    assert "frame 11: seen for longer or shorter" in str(found)


def test_a_frame_that_lit_a_refresh_late_is_found_in_its_neighbours_hold() -> None:
    found = judged(list(light(log(late={7: 1}))), log())
    assert found.reasons == ("frames 6, 7: seen for longer or shorter than the log says",)


def test_what_was_seen_but_never_painted_is_found() -> None:
    found = judged(list(light(log())), log(lost=(3,)))
    assert "frame 3: seen but not painted by the log" in str(found)


def test_frames_in_the_wrong_order_are_found() -> None:
    swapped = {8: 9, 9: 8}
    seen = [Sample(each.ms, swapped.get(each.counter or 0, each.counter)) for each in light(log())]
    assert look_at(seen, log()).backwards == (8,)
    assert "frame 8: seen after a later one" in str(judged(seen, log()))


def test_a_number_that_no_frame_has_is_a_fault_of_the_reading() -> None:
    seen = list(light(log()))
    seen[100] = Sample(seen[100].ms, 4097)
    found = judged(seen, log())
    assert found.reasons == ("1 samples read a number that no frame has: check the reading",)


def test_single_pictures_that_cannot_be_read_do_no_harm() -> None:
    """As where a capture card catches a picture half drawn."""
    seen = [
        Sample(each.ms, None if place % 8 == 3 else each.counter)
        for place, each in enumerate(light(log()))
    ]
    assert judged(seen, log()).agrees


def test_a_clip_that_ran_longer_than_the_log_says_does_not_agree() -> None:
    slow = [Sample(each.ms * 1.05, each.counter) for each in light(log())]
    assert "it lasted 840.0 ms, by the log 800.0 ms" in str(judged(slow, log()))


def test_a_capture_without_the_grey_cannot_tell_the_duration() -> None:
    cut = [each for each in light(log()) if each.counter is not None]
    seen = look_at(cut, log())
    assert seen.duration_ms is None
    assert "lacks the grey before or after" in str(compare(seen, log()))


def test_a_capture_slower_than_the_screen_is_refused() -> None:
    with pytest.raises(BadCapture, match=r"every 25.0 ms .* refresh every 20.0 ms"):
        look_at(list(light(log(), 25.0)), log())


def test_a_capture_of_something_else_is_refused() -> None:
    with pytest.raises(BadCapture, match="No number of a frame"):
        look_at([Sample(ms, None) for ms in range(100)], log())


@pytest.mark.parametrize(
    ("missing", "repeated", "duration", "complaint"),
    [
        (0, 0, 800.0, ""),
        (0, 0, 815.0, ""),
        (1, 0, 800.0, "1 frames missing were counted, the log has 0"),
        (0, 2, 800.0, "2 frames held too long were counted, the log has 0"),
        (0, 0, 830.0, "it lasted 830.0 ms"),
    ],
)
def test_counts_made_by_hand_are_compared_with_the_log(
    missing: int, repeated: int, duration: float, complaint: str
) -> None:
    found = compare_counts(missing, repeated, duration, log())
    assert found.agrees is not bool(complaint)
    assert complaint in str(found)


# ---- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "time_ms,counter\n0,\n2.5,0\n5.0,1\n",
        "﻿Counter;Other;Time_ms\n;x;0\n0;x;2,5\n1;x;5\n",
        "time_ms\tcounter\n0\tgrey\n\n2.5\t0\n5\t1",
    ],
)
def test_captures_are_read_as_spreadsheets_of_several_countries_write_them(text: str) -> None:
    assert read_capture(text) == [Sample(0, None), Sample(2.5, 0), Sample(5.0, 1)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("ms,number\n1,2\n", "names its columns"),
        ("time_ms,counter\n", "no samples"),
        ("time_ms,counter\n0,1\nnan,2\n", "Line 3 .* no time"),
        ("time_ms,counter\n0,1\n,2\n", "Line 3 .* no time"),
        ("time_ms,counter\n5,1\n3,2\n", "grow from row to row"),
    ],
)
def test_what_is_no_capture_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(BadCapture, match=complaint):
        read_capture(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"refresh_hz": 0}, {"refresh_hz": "x"}, {"ends": 5}, {"ends": None}, {"painted": []},
        {"painted": [[0, 1, 2, 3.0]]}, {"painted": [[0, 1, -2, 3.0, 4.0]]},
        {"painted": [[1, 100, 100, 0.0, 0.0], [0, 102, 102, 0.0, 0.0]]},
        {"painted": [[0, 100, 100, 0.0, 0.0], [1, 102, 100, 0.0, 0.0]]},
        {"painted": [[FRAMES, 100, 100, 0.0, 0.0]]},
        {"painted": [[0, 100, 100, 0.0, float("nan")]]},
        {"painted": [[0, 100, 100, 0.0, 1.0, "x"]]}, {"ends_ms": "x"},
    ],
)  # fmt: skip
def test_what_is_no_log_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadLog):
        parse_log({**report(), **wrong}, FRAMES)
