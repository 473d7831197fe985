"""Raw scores from elsewhere: one row per vote in a CSV file, read strictly.

A row that cannot be taken as it stands is a bad row with its line number; nothing is guessed. Of
two votes that contradict each other both are bad, since neither is known to be the right one.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scoring.stats.matrix import FloatArray, IntArray, vote_array

REQUIRED = ("subject", "stimulus", "score")
OPTIONAL = ("content", "is_reference", "repetition", "method")
TRUE, FALSE = {"1", "true", "yes"}, {"", "0", "false", "no"}
STDIN = Path("-")
LINES_NAMED = 3  # of other votes for the same
LARGEST_METRIC = 1e100  # squares of what is larger overflow


class RawScoresError(Exception):
    """The file as a whole cannot be read; the message says what to do."""


@dataclass(frozen=True)
class BadRow:
    line: int
    problem: str


@dataclass(frozen=True)
class Format:
    """How a file spells things."""

    columns: Mapping[str, str] = field(default_factory=dict)  # our name -> the file's
    metrics: Sequence[str] = ()  # the file's columns that hold objective metrics
    lowest: float = 0.0
    highest: float = 10.0
    delimiter: str = ","
    encoding: str = "utf-8"
    missing: Sequence[str] = ()  # texts that stand for a vote that was not cast

    def spelled(self, name: str) -> str:
        return self.columns.get(name, name)


@dataclass(frozen=True)
class RawScores:
    """Stimuli in order of appearance, subjects in natural order of their names."""

    subjects: tuple[str, ...]
    stimuli: tuple[str, ...]
    votes: FloatArray  # stimuli by subjects by repetitions, NaN for no vote
    content: tuple[str, ...]  # "" where the file has none
    method: tuple[str, ...]
    is_reference: tuple[bool, ...]
    metrics: Mapping[str, FloatArray]  # NaN where the file has no value
    rows: int
    missing: int
    bad_rows: tuple[BadRow, ...]
    ignored_columns: tuple[str, ...]
    methods: tuple[str, ...] = ()  # in the order wanted; () for that of appearance


@dataclass
class _Reading:
    """What the rows read so far have said."""

    line: list[int] = field(default_factory=list)
    subject: list[int] = field(default_factory=list)
    stimulus: list[int] = field(default_factory=list)
    repetition: list[int] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    subjects: dict[str, int] = field(default_factory=dict)
    stimuli: dict[str, int] = field(default_factory=dict)
    repetitions: dict[str, int] = field(default_factory=dict)
    facts: dict[tuple[int, str], tuple[str, int]] = field(default_factory=dict)
    rows: int = 0
    missing: int = 0


def read_scores(path: Path, form: Format | None = None) -> RawScores:
    form = form or Format()
    text = io.StringIO(_text(path, form.encoding), newline="")
    rows = csv.reader(text, delimiter=form.delimiter, strict=True)
    line = 1  # where a row begins, which may go on over several
    try:
        header = [name.strip() for name in next(filter(None, rows), [])]
        place = _places(header, form)
        reading = _Reading()
        line = rows.line_num + 1
        for fields in rows:
            if fields:
                reading.rows += 1
                _take(reading, fields, line, len(header), place, form)
            line = rows.line_num + 1
    except csv.Error as error:
        raise RawScoresError(
            f"The row that begins in line {line} is no CSV: {error}. Look there for a quotation "
            "mark that is not closed, or not doubled."
        ) from error
    if not reading.rows:
        raise RawScoresError("The file has a header and no rows.")
    used = {place[name] for name in place}
    ignored = tuple(name for k, name in enumerate(header) if k not in used)
    return _assembled(reading, form, ignored)


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """A key that sorts V2 before V10."""
    parts = re.split(r"(\d{1,18})", name)  # Python refuses to read numbers of any length
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part)


def _text(path: Path, encoding: str) -> str:
    with open(0 if path == STDIN else path, "rb", closefd=path != STDIN) as file:
        raw = file.read()
    try:
        codec = codecs.lookup(encoding).name
        text = raw.decode("utf-8-sig" if codec == "utf-8" else codec)
    except LookupError as error:
        raise RawScoresError(f"There is no encoding {encoding!r}; try utf-8 or latin-1.") from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise RawScoresError(
            f"Line {line} is not {encoding}: byte {raw[error.start]:#04x}. Save the file as UTF-8, "
            "or name its encoding: --encoding latin-1 (or cp1252, utf-16 ...)."
        ) from error
    except UnicodeError as error:  # from encodings that are not for files, as punycode
        raise RawScoresError(f"The file is not {encoding}: {error}.") from error
    if not text.strip():
        raise RawScoresError("The file is empty.")
    return text


def _places(header: list[str], form: Format) -> dict[str, int]:
    """Where each known column is; metrics by the file's own name after 'metric '."""
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise RawScoresError(f"The header names a column twice: {', '.join(twice)}.")
    absent = [form.spelled(name) for name in REQUIRED if form.spelled(name) not in header]
    mapped = {form.spelled(name) for name in form.columns}
    absent += sorted((mapped | set(form.metrics)) - set(header) - set(absent))
    if absent:
        raise RawScoresError(
            f"There is no column {', '.join(map(repr, absent))}. The header has: "
            f"{', '.join(map(repr, header))}. Map other spellings, as --column subject=observer"
            + _other_delimiter(header)
            + "."
        )
    known = {name: form.spelled(name) for name in (*REQUIRED, *OPTIONAL)}
    known |= {f"metric {name}": name for name in form.metrics}
    place = {name: header.index(column) for name, column in known.items() if column in header}
    for column in header:
        claims = [name for name, k in place.items() if header[k] == column]
        if len(claims) > 1:
            raise RawScoresError(
                f"Column {column!r} cannot be {' and '.join(claims)} at once: map each to a "
                "column of its own."
            )
    return place


def _other_delimiter(header: list[str]) -> str:
    if len(header) == 1:
        for delimiter, shown in ((";", "';'"), ("\t", "$'\\t'")):
            if delimiter in header[0]:
                return f", or name what separates the columns: --delimiter {shown}"
    return ""


def _take(
    reading: _Reading,
    fields: list[str],
    line: int,
    width: int,
    place: Mapping[str, int],
    form: Format,
) -> None:
    if len(fields) != width:
        reading.bad.append(BadRow(line, f"{len(fields)} fields where the header has {width}"))
        return
    values = {name: fields[k].strip() for name, k in place.items()}
    problems = [f"no {name}" for name in ("subject", "stimulus") if not values[name]]
    if values["score"] in form.missing:
        reading.missing += 1
        if not problems:  # the viewer took part, and the stimulus is one of the test
            _number(reading.subjects, values["subject"])
            _facts(reading, values, line)
        return
    score, problem = _score(values["score"], form)
    problems += [problem] if problem else []
    if problems:
        reading.bad.append(BadRow(line, "; ".join(problems)))
        return
    wrong = _facts(reading, values, line)
    if wrong:
        reading.bad.append(BadRow(line, "; ".join(wrong)))
        return
    reading.line.append(line)
    reading.subject.append(_number(reading.subjects, values["subject"]))
    reading.stimulus.append(reading.stimuli[values["stimulus"]])
    reading.repetition.append(_number(reading.repetitions, values.get("repetition", "")))
    reading.score.append(score)


def _number(known: dict[str, int], name: str) -> int:
    return known.setdefault(name, len(known))


def _score(text: str, form: Format) -> tuple[float, str]:
    if not text:
        return 0.0, "no score; leave a missing vote out, or name what stands for it: --missing NA"
    try:
        score = _float(text)
    except ValueError:
        hint = "; decimals take a point" if re.fullmatch(r"-?\d+,\d+", text) else ""
        return 0.0, f"score {text!r} is not a number{hint}"
    if not math.isfinite(score):
        return 0.0, f"score {text!r} is not a finite number"
    if not form.lowest <= score <= form.highest:
        return 0.0, f"score {text} is outside {form.lowest:g} to {form.highest:g}"
    return score, ""


def _float(text: str) -> float:
    """As people write numbers, not as Python does: 1_0 is no 10."""
    if "_" in text:
        raise ValueError(text)
    return float(text)


def _facts(reading: _Reading, values: Mapping[str, str], line: int) -> list[str]:
    """What a row says of its stimulus; it must be the same in all rows of that stimulus."""
    problems = []
    said = {
        name: text
        for name, text in values.items()
        if name in ("content", "method", "is_reference") or name.startswith("metric ")
    }
    for name, text in said.items():
        problem = _wrong_fact(name, text)
        if problem:
            problems.append(problem)
    if problems:
        return problems
    stimulus = _number(reading.stimuli, values["stimulus"])
    for name, written in said.items():
        text = _one_spelling(name, written)
        before, first = reading.facts.setdefault((stimulus, name), (text, line))
        if before != text:
            problems.append(f"{name} {text!r} where line {first} has {before!r} for this stimulus")
    return problems


def _one_spelling(name: str, text: str) -> str:
    """The same for what means the same: yes and 1, 91 and 91.0."""
    if name == "is_reference":
        return "1" if text.lower() in TRUE else "0"
    return f"{float(text):.17g}" if name.startswith("metric ") and text else text


def _wrong_fact(name: str, text: str) -> str:
    if name == "is_reference" and text.lower() not in TRUE | FALSE:
        return f"is_reference {text!r} is neither 1 nor 0"
    if name.startswith("metric ") and text:
        try:
            value = _float(text)
        except ValueError:
            return f"{name} {text!r} is not a number"
        if math.isfinite(value) and abs(value) > LARGEST_METRIC:
            return f"{name} {text} is beyond {LARGEST_METRIC:g}"
    return ""


def _assembled(reading: _Reading, form: Format, ignored: tuple[str, ...]) -> RawScores:
    subjects = sorted(reading.subjects, key=natural)
    column = np.empty(len(subjects), dtype=np.intp)
    for new, name in enumerate(subjects):
        column[reading.subjects[name]] = new
    stimulus = np.array(reading.stimulus, dtype=np.intp)
    viewer = column[np.array(reading.subject, dtype=np.intp)]
    repetition = _presentation(
        stimulus, np.array(reading.repetition, dtype=np.intp), list(reading.repetitions)
    )
    shape = (len(reading.stimuli), len(subjects), int(repetition.max(initial=0)) + 1)
    doubled, duplicates = _duplicates(reading, stimulus, viewer, repetition, shape)
    kept = ~doubled
    votes = vote_array(
        stimulus[kept],
        viewer[kept],
        repetition[kept],
        np.array(reading.score)[kept],
        shape,
    )
    bad = sorted([*reading.bad, *duplicates], key=lambda row: row.line)

    def facts(name: str) -> Iterator[str]:
        for j in range(len(reading.stimuli)):
            yield reading.facts.get((j, name), ("", 0))[0]

    return RawScores(
        tuple(subjects),
        tuple(reading.stimuli),
        votes,
        tuple(facts("content")),
        tuple(facts("method")),
        tuple(text == "1" for text in facts("is_reference")),
        {
            name: np.array([float(text or "nan") for text in facts(f"metric {name}")])
            for name in form.metrics
        },
        reading.rows,
        reading.missing,
        tuple(bad),
        ignored,
    )


def _presentation(stimulus: IntArray, repetition: IntArray, labels: list[str]) -> IntArray:
    """The labels of a stimulus' repetitions, whatever they are, counted from 0 in their order."""
    rank = np.empty(len(labels), dtype=np.intp)
    rank[sorted(range(len(labels)), key=lambda k: natural(labels[k]))] = np.arange(len(labels))
    pairs, inverse = np.unique(
        stimulus * max(len(labels), 1) + rank[repetition], return_inverse=True
    )
    owner = pairs // max(len(labels), 1)
    first = np.searchsorted(owner, owner)
    return np.asarray((np.arange(len(pairs)) - first)[inverse], dtype=np.intp)


def _duplicates(
    reading: _Reading,
    stimulus: IntArray,
    viewer: IntArray,
    repetition: IntArray,
    shape: tuple[int, int, int],
) -> tuple[np.ndarray, list[BadRow]]:
    cell = (stimulus * shape[1] + viewer) * shape[2] + repetition
    _, inverse, counts = np.unique(cell, return_inverse=True, return_counts=True)
    doubled = counts[inverse] > 1
    lines: dict[int, list[int]] = {}
    for row in np.flatnonzero(doubled):
        lines.setdefault(int(cell[row]), []).append(reading.line[row])
    subjects, stimuli = list(reading.subjects), list(reading.stimuli)
    found = []
    for row in np.flatnonzero(doubled):
        who, what = subjects[reading.subject[row]], stimuli[reading.stimulus[row]]
        again = _again(reading.line[row], lines[int(cell[row])])
        found.append(BadRow(reading.line[row], f"{who} scored {what} {again}"))
    return doubled, found


def _again(line: int, lines: list[int]) -> str:
    """All votes for the same are in `lines`, of which there may be as many as the file has."""
    others = [n for n in lines[: LINES_NAMED + 1] if n != line][:LINES_NAMED]
    if len(lines) == 2:
        return f"twice; the other vote is in line {others[0]}"
    more = ", ..." if len(lines) > LINES_NAMED + 1 else ""
    return f"{len(lines)} times; other votes are in lines {', '.join(map(str, others))}{more}"
