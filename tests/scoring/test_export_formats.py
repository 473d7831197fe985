"""Every format says the same, in its own types, whatever is in the rows; without a database."""

import csv
import io
import json
import math
import sys
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.export import writing_into, writing_to
from scoring.formats import FORMATS, Content, FormatUnavailable, as_csv, as_parquet, as_xlsx
from scoring.tables.declaring import BATCH, Column, in_parts

COLUMNS = (
    Column("name", "text", "A text.", lambda row: row[0]),
    Column("count", "integer", "A whole number.", lambda row: row[1]),
    Column("value", "number", "A number.", lambda row: row[2]),
    Column("good", "boolean", "A truth.", lambda row: row[3]),
    Column("at", "time", "A moment.", lambda row: row[4]),
    Column("more", "object", "What else.", lambda row: row[5]),
)
NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
ROWS = [
    ("Zürich, 日本 \U0001f3a5", 3, 1 / 3, True, NOON, {"a": [1, None]}),
    ('two "lines"\nand 50 %s', -1, -2.5e-17, False, NOON + timedelta(days=1), {}),
    (None, None, None, None, None, None),
    ("", 0, 0.0, False, NOON.astimezone(timezone(timedelta(hours=9))), []),
    ("numpy", np.int32(7), np.float32(0.5), np.bool_(True), NOON, {"v": np.array([0.5, math.nan])}),
    ("nothing", math.nan, math.nan, None, None, {"x": math.inf}),
    ("endless", 1, -math.inf, None, None, None),
]
PLAIN = [  # the same rows as every format must hold them
    ("Zürich, 日本 \U0001f3a5", 3, 1 / 3, True, NOON, {"a": [1, None]}),
    ('two "lines"\nand 50 %s', -1, -2.5e-17, False, NOON + timedelta(days=1), {}),
    (None, None, None, None, None, None),
    ("", 0, 0.0, False, NOON, []),
    ("numpy", 7, 0.5, True, NOON, {"v": [0.5, None]}),
    ("nothing", None, None, None, None, {"x": None}),
    ("endless", 1, None, None, None, None),
]


def written(form, folder, rows, columns=COLUMNS, name="things"):
    content = Content(name, "Things.", columns, in_parts(columns, rows))
    FORMATS[form].write([content], writing_into(folder))
    return folder / FORMATS[form].file_of(name)


def time_of(text):
    return datetime.fromisoformat(text) if text else None


def from_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    assert lines[0] == [column.id for column in COLUMNS]
    truth = {"": None, "true": True, "false": False}
    return [
        (
            name,
            int(count) if count else None,
            float(value) if value else None,
            truth[good],
            time_of(at),
            json.loads(more) if more else None,
        )
        for name, count, value, good, at, more in lines[1:]
    ]


def from_json(path):
    document = json.loads(path.read_bytes(), parse_constant=pytest.fail)
    assert all(list(row) == [column.id for column in COLUMNS] for row in document["things"])
    return [
        (*list(row.values())[:4], time_of(row["at"]), row["more"]) for row in document["things"]
    ]


def from_parquet(path):
    return [
        (*list(row.values())[:5], json.loads(row["more"]) if row["more"] else None)
        for row in pyarrow.parquet.read_table(path).to_pylist()
    ]


def from_xlsx(path):
    sheet = openpyxl.load_workbook(path)["things"]
    return [
        (name, count, value, good, time_of(at), json.loads(more) if more else None)
        for name, count, value, good, at, more in sheet.iter_rows(min_row=2, values_only=True)
    ]


READ = {"csv": from_csv, "json": from_json, "parquet": from_parquet, "xlsx": from_xlsx}
NO_EMPTY_TEXT = {"csv": "", "xlsx": None}  # these cannot tell an empty text from none


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_written_is_read_back_with_its_type(tmp_path, form):
    found = READ[form](written(form, tmp_path, ROWS))
    for row, expected in zip(found, PLAIN, strict=True):
        name, *values = expected
        empty = NO_EMPTY_TEXT.get(form, name)
        assert row[0] == (name or empty)
        assert row[2] == (pytest.approx(expected[2], rel=1e-15) if expected[2] else expected[2])
        assert row[1:2] + row[3:] == (values[0], *values[2:])
        assert row[4] is None or row[4].utcoffset() == timedelta(0)


@pytest.mark.parametrize("form", FORMATS)
def test_a_table_without_rows_has_its_columns(tmp_path, form):
    assert READ[form](written(form, tmp_path, [])) == []


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.tuples(
            texts, st.integers(-(2**62), 2**62), numbers, st.booleans(), moments, st.lists(texts)
        )
    )
)
def test_any_row_survives_to_the_last_bit(tmp_path, form, rows):
    found = READ[form](written(form, tmp_path, rows))
    if form == "csv":  # an apostrophe stands before what a spreadsheet would run
        found = [(row[0].removeprefix("'"), *row[1:]) for row in found]
        rows = [(row[0].removeprefix("'"), *row[1:]) for row in rows]
    assert found == rows


def test_a_parquet_file_has_types_and_carries_what_its_columns_mean(tmp_path):
    schema = pyarrow.parquet.read_schema(written("parquet", tmp_path, ROWS))
    assert [str(field.type) for field in schema] == [
        "string", "int64", "double", "bool", "timestamp[us, tz=UTC]", "string",
    ]  # fmt: skip
    assert schema.field("at").metadata[b"description"] == b"A moment."


def test_without_pyarrow_parquet_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(FormatUnavailable, match=r"pip install '\.\[parquet\]'"):
        written("parquet", tmp_path, ROWS)


def test_parquet_leaves_arrows_memory_pool_as_it_was(tmp_path):
    before = pa.default_memory_pool().backend_name
    written("parquet", tmp_path, ROWS)
    assert pa.default_memory_pool().backend_name == before


@pytest.mark.parametrize("start", as_csv.FORMULA_STARTS)
def test_excel_gets_texts_as_texts_never_as_formulas_or_links(tmp_path, start):
    bad = [f'{start}HYPERLINK("http://example.org")', "http://example.org", "{=1+1}", "0123"]
    path = written("xlsx", tmp_path, [(text,) for text in bad], COLUMNS[:1])
    cells = [row[0] for row in openpyxl.load_workbook(path)["things"].iter_rows(min_row=2)]
    assert [cell.data_type for cell in cells] == ["s"] * 4 and not any(c.hyperlink for c in cells)
    assert [cell.value for cell in cells[1:]] == bad[1:]


@pytest.mark.parametrize("start", as_csv.FORMULA_STARTS)
def test_a_text_is_never_run_as_a_formula(tmp_path, start):
    bad = f'{start}HYPERLINK("http://example.org")'
    path = written("csv", tmp_path, [(bad,)], COLUMNS[:1])
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["name"], [f"'{bad}"]]


def test_a_number_below_0_is_no_formula(tmp_path):
    path = written("csv", tmp_path, [("-0.5",), ("-0.5+1",)], COLUMNS[:1])
    assert path.read_text().splitlines() == ["name", "-0.5", "'-0.5+1"]


def test_a_table_longer_than_a_sheet_goes_on_in_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr(as_xlsx, "ROWS_PER_SHEET", 4)
    path = written("xlsx", tmp_path, [(str(k),) for k in range(7)], COLUMNS[:1])
    book = openpyxl.load_workbook(path)
    found = {sheet.title: [row[0] for row in sheet.values] for sheet in book}
    assert found == {
        "things": ["name", "0", "1", "2"],
        "things 2": ["name", "3", "4", "5"],
        "things 3": ["name", "6"],
    }


def test_a_text_longer_than_a_cell_is_named_not_cut(tmp_path):
    path = written("xlsx", tmp_path, [("\U0001f3a5" * 16_384,), ("x" * 32_767,)], COLUMNS[:1])
    (_, long, fits) = [row[0] for row in openpyxl.load_workbook(path)["things"].values]
    assert "longer than a cell of Excel" in long and "parquet" in long
    assert fits == "x" * 32_767


class Counting(io.BytesIO):
    """Forgets what it is given and counts it."""

    size = 0

    def write(self, data):
        self.size += len(data)
        return len(data)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_rows_are_written_while_others_are_still_to_come(form, monkeypatch):
    monkeypatch.setattr(as_parquet, "ROWS_PER_GROUP", 2 * BATCH)
    stream, sizes = Counting(), []

    def rows():
        for k in range(10 * BATCH):
            if k % BATCH == 0:
                sizes.append(stream.size)
            yield (f"{k * 7919:x}", k, k / 3, True, NOON, None)

    content = Content("things", "Things.", COLUMNS, in_parts(COLUMNS, rows()))
    FORMATS[form].write([content], writing_to(stream))
    assert sizes[0] < sizes[5] < sizes[-1] < stream.size
    assert not stream.closed
