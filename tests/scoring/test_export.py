"""The export: complete, readable by a spreadsheet, enough to make the numbers again."""

import csv
import io
import json

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from scoring.metrics import measure
from scoring.models import Measurement
from scoring.ratings import Rating
from scoring.results import Results
from scoring.tables import DICTIONARY, TABLES
from sessions_app.models import Note, Showing, Vote
from upscalers.core.video import probe
from upscalers.models import PVS

NAMES = {f"{table.id}.csv" for table in (*TABLES, DICTIONARY)}
SELECTIONS = 7  # everybody, and six rules that can reject


def export(study, folder, *options):
    call_command("export_mos", study.slug, "-o", str(folder), *options, stderr=io.StringIO())
    return folder


def read(folder, table):
    with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def header(folder, table):
    """Of a table that may have no rows."""
    with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file))


def test_csv_has_a_file_per_table(study, tmp_path):
    folder = export(study, tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == NAMES
    assert len(read(folder, "ratings")) == Vote.objects.count()
    assert len(read(folder, "mos")) == 7 * 12
    assert len(read(folder, "screening")) == 7 * 11
    assert len(read(folder, "cells")) == 4 + 9


def test_mos_can_be_made_again_from_the_exported_ratings_alone(study, tmp_path):
    folder = export(study, tmp_path / "out")
    ratings = pd.read_csv(folder / "ratings.csv")
    counted = ratings[ratings["counted"]]
    matrix = counted.pivot_table(index="pvs", columns="viewer", values="score", aggfunc="mean")
    mos = pd.read_csv(folder / "mos.csv")
    unscreened = mos[mos["selection"] == "all"].set_index("pvs")
    pd.testing.assert_series_equal(matrix.mean(axis=1), unscreened["mos"], check_names=False)
    pd.testing.assert_series_equal(matrix.std(axis=1), unscreened["sd"], check_names=False)
    r = matrix.corrwith(matrix.mean(axis=1))
    kept = matrix.loc[:, r >= 0.75]
    screened = mos[mos["selection"] == "pearson"].set_index("pvs")
    assert kept.shape[1] == 9
    pd.testing.assert_series_equal(kept.mean(axis=1), screened["mos"], check_names=False)


def test_json_holds_the_same_as_csv(study, tmp_path):
    tables = export(study, tmp_path / "csv")
    document = json.loads(
        (export(study, tmp_path / "json", "--format", "json") / "results.json").read_text()
    )
    assert {f"{table}.csv" for table in document} == NAMES
    for table, rows in document.items():
        written = read(tables, table)
        assert len(rows) == len(written)
        for row, line in zip(rows, written, strict=True):
            assert list(row) == list(line)
            for name, value in row.items():
                if isinstance(value, dict | list):
                    assert json.loads(line[name]) == value
                elif (table, row.get("name"), name) != ("method", "exported at", "value"):
                    expected = "" if value is None else str(value)
                    assert line[name] == (expected.lower() if value in (True, False) else expected)


def test_the_dictionary_describes_every_column_that_is_written(study, tmp_path):
    note(study, "lamp fell over")
    folder = export(study, tmp_path / "out")
    described = [(row["table"], row["column"]) for row in read(folder, "data_dictionary")]
    results = Results(study)
    for table in TABLES:
        columns = [column.id for column in table.columns_of(results)]
        assert columns == header(folder, table.id)
        assert [column for name, column in described if name == table.id] == columns
    assert all(row["description"] for row in read(folder, "data_dictionary"))


def note(study, text) -> Note:
    showing = Showing.objects.filter(cell__session__study=study).first()
    return Note.objects.create(session=showing.cell.session, showing=showing, text=text)


def test_notes_are_exported_with_the_cell_that_was_on(study, tmp_path):
    made = note(study, "lamp fell over")
    (line,) = read(export(study, tmp_path / "out", "--table", "notes"), "notes")
    assert (line["text"], line["showing"]) == ("lamp fell over", str(made.showing_id))
    assert line["cell"] == str(made.showing.cell.position)
    assert line["at"] == made.at.isoformat()


def test_every_part_of_a_rating_is_exported():
    declared = next(table for table in TABLES if table.id == "ratings").columns
    assert {column.id for column in declared} == set(Rating._fields)


def test_the_stamp_names_the_rule_by_which_showings_count(study, tmp_path):
    study.late_allowed = 2
    study.save()
    folder = export(study, tmp_path / "o", "--table", "method")
    stamp = {row["name"]: row["value"] for row in read(folder, "method")}
    rule = stamp["rule by which a showing counts"]
    assert rule.startswith("study: every frame shown, at most 2 frames late, no refresh missed")


def test_the_stamp_names_seed_constants_and_versions(study, tmp_path):
    folder = export(study, tmp_path / "o", "--table", "method")
    stamp = {row["name"]: row["value"] for row in read(folder, "method")}
    assert stamp["seed of the plan"] == str(study.seed)
    assert stamp["constant ddof"] == "1"
    assert stamp["constant screening threshold"] == "0.75"
    assert stamp["numpy"] and stamp["scipy"] and stamp["Midgrey"]
    assert "mean of those scores" in stamp["rule repeats"]


def test_a_negative_number_stays_a_number(study, tmp_path):
    lines = read(export(study, tmp_path / "out", "--table", "screening"), "screening")
    assert min(float(line["statistic"]) for line in lines) < -0.5


def test_identical_clips_have_no_psnr_in_any_table_and_their_note_says_so(
    study, tmp_path, make_video
):
    fmt = probe(make_video())
    psnr = next(m for m in measure(make_video(), make_video(), fmt) if m.slug == "psnr_y")
    measured = Measurement.objects.filter(metric="psnr_y").order_by("pvs_id").first()
    measured.mean, measured.values, measured.note = psnr.mean, psnr.values, psnr.note
    measured.save()
    folder = export(study, tmp_path / "out")
    line = next(one for one in read(folder, "metrics") if one["metric"] == "psnr_y")
    assert (line["mean"], line["note"][:27]) == ("", "all frames equal the source")
    found = [one for one in read(folder, "correlation") if one["metric"] == "psnr_y"]
    assert [(one["n"], one["missing"]) for one in found] == [("11", "1")] * SELECTIONS
    export(study, tmp_path / "json", "--format", "json", "--table", "metrics")
    text = (tmp_path / "json" / "results.json").read_text()
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    row = next(one for one in document["metrics"] if one["metric"] == "psnr_y")
    assert row["mean"] is None


def test_an_older_export_is_not_replaced_without_force(study, tmp_path):
    folder = export(study, tmp_path / "out")
    (folder / "mos.csv").write_text("mine")
    with pytest.raises(CommandError, match=r"already has .*mos\.csv.*--force"):
        export(study, folder)
    assert (folder / "mos.csv").read_text() == "mine"
    export(study, folder, "--force")
    assert len(read(folder, "mos")) == SELECTIONS * 12
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_files_of_others_in_the_folder_stay(study, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    export(study, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {*NAMES, "notes.txt"}


def test_a_failure_on_the_way_leaves_nothing_behind(study, tmp_path, monkeypatch):
    monkeypatch.setattr("scoring.tables.sessions.Note", None)
    with pytest.raises(AttributeError):
        export(study, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_study_lists_those_that_exist(study, tmp_path):
    with pytest.raises(CommandError, match="There are: first-look"):
        call_command("export_mos", "no-such", "-o", str(tmp_path / "out"))


def test_a_file_in_the_place_of_the_folder_is_an_error(study, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(CommandError, match="is a file; give a folder"):
        export(study, tmp_path / "out")


def test_a_study_without_votes_exports_its_material_and_warns(empty_factory, tmp_path):
    said = io.StringIO()
    call_command("export_mos", "first-look", "-o", str(tmp_path / "out"), stderr=said)
    assert "nobody has voted" in said.getvalue()
    assert read(tmp_path / "out", "ratings") == []
    assert len(read(tmp_path / "out", "metrics")) == 36
    assert {line["mos"] for line in read(tmp_path / "out", "mos")} == {""}


def test_what_a_pvs_cost_is_exported(study, tmp_path):
    pvs = PVS.objects.filter(method="span-x2").first()
    PVS.objects.filter(pk=pvs.pk).update(
        wall_seconds=20.0, device_seconds=15.0, joules=310.5, gflop_per_frame=94.2,
        parameters=426_000, peak_memory_bytes=1 << 30, device="NVIDIA H200",
        resampler="lanczos3 3/4",
    )  # fmt: skip
    folder = export(study, tmp_path / "out", "--table", "pvs")
    rows = {int(row["pvs"]): row for row in read(folder, "pvs")}
    row = rows[pvs.pk]
    assert (float(row["joules"]), float(row["fps"])) == (310.5, 50 / 20)
    assert (row["device"], row["resampler"]) == ("NVIDIA H200", "lanczos3 3/4")
    assert row["frames_sha256"] == pvs.clip.frames_sha256
    other = next(row for number, row in rows.items() if number != pvs.pk)
    assert other["joules"] == "", "not measured is not zero"
