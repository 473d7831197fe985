"""Turns pairs into sessions of test cells: seeded, explained, and refusing what cannot be.

Pure: the same pairs, protocol and seed always give the same plan. It knows nothing of screens,
viewers or files.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations

from sessions_app.core.protocol import Protocol

ORDERS_TRIED = 60


class ImpossiblePlan(Exception):
    """Says what cannot be had and the smallest change that would make it possible."""


# The one note that tells of a shortcoming.
UNMEASURED = (
    "Not every PVS has been measured yet, so the stabilisation cells are not known to span the "
    "quality range. Plan again once the metrics are there."
)


@dataclass(frozen=True)
class PlannablePair:
    """`quality` is a hint such as mean VMAF; it only chooses the stabilisation cells."""

    id: int
    source: str
    condition: str
    seconds: float
    quality: float | None = None


@dataclass(frozen=True)
class PlannedCell:
    """`swapped`: the pair's second PVS is shown as A."""

    pair: PlannablePair
    stabilisation: bool
    swapped: bool


@dataclass(frozen=True)
class PlannedSession:
    panel: int
    number: int
    cells: tuple[PlannedCell, ...]

    @property
    def seconds(self) -> float:
        return sum(cell.pair.seconds for cell in self.cells)


@dataclass(frozen=True)
class Plan:
    sessions: tuple[PlannedSession, ...]
    notes: tuple[str, ...]


def plan(pairs: Sequence[PlannablePair], protocol: Protocol, seed: int, panels: int = 1) -> Plan:
    """Every panel sees every pair once, in an order of its own, in the fewest sessions."""
    pairs = sorted(pairs, key=lambda pair: pair.id)
    _refuse_the_impossible(pairs)
    stabilisation = choose_stabilisation(pairs, protocol.stabilisation_cells)
    count = _fewest_sessions(pairs, stabilisation, protocol)
    sessions: list[PlannedSession] = []
    repeated_conditions = 0
    for panel in range(1, panels + 1):
        rng = random.Random(f"{seed}/{panel}")
        # Apart, since which cells these are depends on measured quality: the others must not.
        apart = random.Random(f"{seed}/{panel}/stabilisation")
        swapped = _draw_sides(pairs, rng)
        for number, share in enumerate(_deal(pairs, count, rng), start=1):
            order, repeats = _order_tests(share, rng)
            repeated_conditions += repeats
            first = _order_stabilisation(stabilisation, order[0].source, apart)
            cells = [PlannedCell(pair, True, apart.random() < 0.5) for pair in first]
            cells += [PlannedCell(pair, False, swapped[pair.id]) for pair in order]
            sessions.append(PlannedSession(panel, number, tuple(cells)))
    notes = _notes(pairs, stabilisation, sessions, repeated_conditions, protocol, count)
    return Plan(tuple(sessions), tuple(notes))


def choose_stabilisation(pairs: Sequence[PlannablePair], count: int) -> list[PlannablePair]:
    """Best, worst and mid-quality pairs, no source more often than the order allows."""
    if count == 0:
        return []
    ranked = sorted(pairs, key=lambda pair: (-(pair.quality or 0.0), pair.id))
    middle = (len(ranked) - 1) / 2
    by_rank = {pair.id: rank for rank, pair in enumerate(ranked)}
    mids = sorted(ranked[1:-1], key=lambda pair: (abs(by_rank[pair.id] - middle), pair.id))
    wanted = [ranked[0], ranked[-1], *mids]
    chosen: list[PlannablePair] = []
    while len(chosen) < count:
        # With few pairs the same ones come again; scores of these cells are never counted.
        before = len(chosen)
        for pair in wanted:
            used = sum(other.source == pair.source for other in chosen)
            if len(chosen) < count and used < math.ceil(count / 2):
                chosen.append(pair)
        if len(chosen) == before:
            break
    return chosen


def _refuse_the_impossible(pairs: Sequence[PlannablePair]) -> None:
    if not pairs:
        raise ImpossiblePlan(
            "There is nothing to compare yet. Choose sources and at least one method beside the "
            "anchor, and let their PVSs be made."
        )
    per_source = Counter(pair.source for pair in pairs)
    if len(per_source) == 1:
        raise ImpossiblePlan(
            "The same source may never be shown twice in a row, and there is only one. "
            "Add a second source."
        )
    source, most = per_source.most_common(1)[0]
    missing = most - (len(pairs) - most) - 1
    if missing > 0:
        raise ImpossiblePlan(
            f"{source} has {most} of the {len(pairs)} comparisons, too many to keep it from being "
            f"shown twice in a row. Add {missing} of other sources, or take {missing} of its own "
            "away."
        )


def _fewest_sessions(
    pairs: Sequence[PlannablePair], stabilisation: Sequence[PlannablePair], protocol: Protocol
) -> int:
    limit = protocol.longest_session_seconds - sum(pair.seconds for pair in stabilisation)
    longest = max(pairs, key=lambda pair: pair.seconds)
    if longest.seconds > limit:
        raise ImpossiblePlan(
            f"A session may last {protocol.longest_session_seconds / 60:g} minutes, and "
            f"{len(stabilisation)} stabilisation cells with one cell of {longest.source} "
            f"({longest.seconds:.1f} s) already last longer. Use shorter clips."
        )
    for count in range(1, len(pairs) + 1):
        shares = _deal(pairs, count, random.Random(0))
        fits = all(sum(pair.seconds for pair in share) <= limit for share in shares)
        if fits and all(_arrangeable(share) for share in shares):
            return count
    raise ImpossiblePlan(
        "No split into sessions keeps every source from being shown twice in a row. Add a source "
        "or take away a method."
    )


def _deal(
    pairs: Sequence[PlannablePair], count: int, rng: random.Random
) -> list[list[PlannablePair]]:
    """Spreads every source's and condition's cells evenly over the sessions."""
    shuffled = list(pairs)
    rng.shuffle(shuffled)
    rank = {source: rng.random() for source in dict.fromkeys(pair.source for pair in pairs)}
    shuffled.sort(key=lambda pair: (-pair.seconds, rank[pair.source]))
    return [shuffled[start::count] for start in range(count)]


def _arrangeable(share: Sequence[PlannablePair]) -> bool:
    """Whether some order of these has no neighbours of one source."""
    per_source = Counter(pair.source for pair in share)
    return all(n <= len(share) - n + 1 for n in per_source.values())


def _order_tests(
    share: Sequence[PlannablePair], rng: random.Random
) -> tuple[list[PlannablePair], int]:
    """A random order without neighbours of one source, with as few of one condition as found."""
    best: tuple[int, list[PlannablePair]] | None = None
    for _ in range(ORDERS_TRIED):
        order = _draw_order(share, None, rng)
        if _same_source_follows(order):
            continue
        repeats = _repeats(order)
        if best is None or repeats < best[0]:
            best = (repeats, order)
        if repeats == 0:
            break
    if best is None:
        raise ImpossiblePlan(
            "No order was found that keeps every source from being shown twice in a row. Add a "
            "source or take away a method."
        )
    return best[1], best[0]


def _order_stabilisation(
    chosen: Sequence[PlannablePair], next_source: str, rng: random.Random
) -> list[PlannablePair]:
    """One of the orders that fit before the first test cell; few enough cells to try all."""
    orders = [
        order
        for order in permutations(chosen)
        if not _same_source_follows(order) and (not order or order[-1].source != next_source)
    ]
    if not orders:
        raise ImpossiblePlan(
            "The stabilisation cells have too few sources to keep one from being shown twice in a "
            "row. Add a source."
        )
    fewest = min(map(_repeats, orders))
    return list(rng.choice([order for order in orders if _repeats(order) == fewest]))


def _repeats(order: Sequence[PlannablePair]) -> int:
    """How often a condition follows itself."""
    return sum(a.condition == b.condition for a, b in pairwise(order))


def _same_source_follows(order: Sequence[PlannablePair]) -> bool:
    return any(a.source == b.source for a, b in pairwise(order))


def _draw_order(
    share: Sequence[PlannablePair], previous: str | None, rng: random.Random
) -> list[PlannablePair]:
    left = list(share)
    order: list[PlannablePair] = []
    while left:
        allowed = [pair for pair in left if pair.source != previous]
        safe = [pair for pair in allowed if _can_follow(left, pair)]
        candidates = safe or allowed or left
        fresh = [pair for pair in candidates if not order or pair.condition != order[-1].condition]
        chosen = rng.choice(fresh or candidates)
        left.remove(chosen)
        order.append(chosen)
        previous = chosen.source
    return order


def _can_follow(left: Sequence[PlannablePair], chosen: PlannablePair) -> bool:
    """Whether the rest can still be ordered once `chosen` has been shown."""
    per_source = Counter(pair.source for pair in left)
    per_source[chosen.source] -= 1
    rest = len(left) - 1
    return all(
        n <= rest - n + (source != chosen.source) for source, n in per_source.items() if n > 0
    )


def _draw_sides(pairs: Sequence[PlannablePair], rng: random.Random) -> dict[int, bool]:
    """Draws A and B per cell so that each method is A in half of its cells."""
    sides: dict[int, bool] = {}
    for condition in sorted({pair.condition for pair in pairs}):
        own = [pair for pair in pairs if pair.condition == condition]
        halves = [index % 2 == 0 for index in range(len(own))]
        if len(own) % 2 and rng.random() < 0.5:
            halves = [not half for half in halves]
        rng.shuffle(halves)
        sides.update({pair.id: half for pair, half in zip(own, halves, strict=True)})
    return sides


def _notes(
    pairs: Sequence[PlannablePair],
    stabilisation: Sequence[PlannablePair],
    sessions: Sequence[PlannedSession],
    repeated_conditions: int,
    protocol: Protocol,
    count: int,
) -> list[str]:
    longest = max(session.seconds for session in sessions)
    notes = [
        f"{len(pairs)} comparisons in {count} session{'s' if count > 1 else ''} per panel, the "
        f"longest {longest / 60:.1f} of at most {protocol.longest_session_seconds / 60:g} minutes.",
        "No source is shown twice in a row.",
        "Which PVS is A was drawn for each cell; each method is A in half of its test cells, or as "
        "nearly as their number allows.",
    ]
    if stabilisation:
        by = "measured quality" if all(p.quality is not None for p in pairs) else "position only"
        notes.append(
            f"Each session starts with {len(stabilisation)} stabilisation cells (best, worst and "
            f"mid-quality by {by}); their scores are kept and never counted."
        )
        if by == "position only":
            notes.append(UNMEASURED)
    conditions = len({pair.condition for pair in pairs})
    if conditions == 1:
        notes.append("There is one method beside the anchor, so it is in every cell.")
    elif repeated_conditions:
        notes.append(
            f"The same method follows itself {repeated_conditions} time"
            f"{'s' if repeated_conditions > 1 else ''}: the numbers of sources and methods leave "
            "no better order that was found."
        )
    else:
        notes.append("No method beside the anchor is in two test cells in a row.")
    return notes
