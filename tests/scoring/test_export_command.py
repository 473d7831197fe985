"""`manage.py export_mos`: what goes where, and what is said when it cannot."""

import csv
import hashlib
import io
import json
import os
import signal
import sys
import zipfile

import openpyxl
import pyarrow.parquet
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from scoring import export as exporting
from scoring.management.commands.export_mos import ended_gently
from scoring.ratings import one_moment
from scoring.results import Results
from scoring.tables import DICTIONARY, TABLES, method
from sessions_app.models import Study, Vote
from tests.factories import StudyFactory, make_panel

NAMES = [table.id for table in (*TABLES, DICTIONARY)]


def export(study, *options):
    said = io.StringIO()
    call_command("export_mos", study.slug, *map(str, options), stderr=said)
    return said.getvalue()


def test_every_format_has_every_table(study, tmp_path):
    for form in ("json", "parquet", "xlsx"):
        export(study, "-o", tmp_path, "--format", form)
    rows = {name: len(found) for name, found in json.loads(
        (tmp_path / "results.json").read_text()).items()}  # fmt: skip
    assert list(rows) == NAMES
    book = openpyxl.load_workbook(tmp_path / "results.xlsx", read_only=True)
    assert {sheet.title: sum(1 for _ in sheet.rows) - 1 for sheet in book} == rows
    parquet = {
        path.stem: pyarrow.parquet.read_table(path).num_rows for path in tmp_path.glob("*.parquet")
    }
    assert parquet == rows


def test_chosen_tables_alone_are_written(study, tmp_path):
    export(study, "-o", tmp_path / "out", "--table", "mos", "--table", "method")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"mos.csv", "method.csv"}


def test_one_table_goes_to_standard_output(study, capsysbinary):
    export(study, "-o", "-", "--table", "ratings")
    lines = list(csv.DictReader(io.StringIO(capsysbinary.readouterr().out.decode())))
    assert len(lines) == Vote.objects.count()


def test_a_format_with_one_file_goes_to_standard_output_whole(study, capsysbinary):
    export(study, "-o", "-", "--format", "json")
    assert list(json.loads(capsysbinary.readouterr().out)) == NAMES


def test_many_files_do_not_go_to_standard_output(study, capsysbinary):
    with pytest.raises(CommandError, match=r"--table NAME, or a folder with -o DIR"):
        export(study, "-o", "-")
    assert capsysbinary.readouterr().out == b""


def test_an_unknown_table_is_refused_with_those_there_are(study, tmp_path):
    with pytest.raises(CommandError, match="ratings"):
        export(study, "-o", tmp_path, "--table", "votes")


def test_tables_sureal_and_report_are_asked_for_one_at_a_time(study, tmp_path):
    with pytest.raises(CommandError, match="not allowed with"):
        export(study, "-o", tmp_path, "--sureal", "--table", "mos")


def test_a_folder_that_is_taken_is_refused_before_anything_is_computed(
    study, tmp_path, monkeypatch
):
    (tmp_path / "mos.csv").write_text("mine")
    monkeypatch.setattr(exporting, "contents", lambda *_: pytest.fail("began to compute"))
    with pytest.raises(CommandError, match=r"already has mos\.csv"):
        export(study, "-o", tmp_path)


def test_without_pyarrow_the_command_says_what_to_install(study, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(CommandError, match="pip install"):
        export(study, "-o", tmp_path / "out", "--format", "parquet")
    assert list(tmp_path.iterdir()) == []


def test_long_work_says_how_far_it_is(study, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "SAY_EVERY", 0.0)
    assert "ratings: 286 of 286 rows" in export(study, "-o", tmp_path, "--table", "ratings")


def test_ended_from_outside_it_leaves_nothing_half_done(tmp_path):
    with (
        pytest.raises(SystemExit, match="143"),
        ended_gently(),
        exporting.whole_or_not_at_all(tmp_path / "out", [], force=False) as open_file,
        open_file("ratings.csv") as file,
    ):
        file.write(b"half")
        os.kill(os.getpid(), signal.SIGTERM)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_an_export_reads_all_as_of_one_moment():
    with one_moment(), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_isolation'), "
                       "current_setting('transaction_read_only')")  # fmt: skip
        assert cursor.fetchone() == ("repeatable read", "on")


def test_a_download_is_the_same_files(study, tmp_path):
    export(study, "-o", tmp_path / "out", "--table", "mos")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as _:
        pass
    with (tmp_path / "all.zip").open("wb") as file:
        exporting.write_zip(Results(study), "csv", file)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None
        found = archive.read(f"{study.slug}/mos.csv")
    assert found == (tmp_path / "out" / "mos.csv").read_bytes()


def test_the_stamp_carries_a_hash_of_the_votes_that_anybody_can_make_again(study, tmp_path):
    export(study, "-o", tmp_path, "--table", "ratings", "--table", "method")
    with (tmp_path / "ratings.csv").open(newline="") as file:
        lines = "".join(
            f"{row['showing']},{row['viewer']},{row['pvs']},{row['score']}\n"
            for row in csv.DictReader(file)
            if row["counted"] == "true"
        )
    with (tmp_path / "method.csv").open(newline="") as file:
        stamp = {row["name"]: row["value"] for row in csv.DictReader(file)}
    assert stamp["hash of the votes"] == hashlib.sha256(lines.encode()).hexdigest()


def test_the_hash_of_a_study_is_that_of_its_design_and_not_of_its_name(study, people):
    before = method.design_hash(study)
    Study.objects.filter(pk=study.pk).update(name="Renamed")
    study.refresh_from_db()
    assert method.design_hash(study) == before
    study.seed += 1
    assert method.design_hash(study) != before
    other = StudyFactory(people.stranger, "Second look", seed=2)
    other.run_session(make_panel(3))
    assert method.design_hash(other.study) != before


def test_the_matrix_has_a_row_per_pvs_and_a_column_per_viewer(study, tmp_path):
    export(study, "-o", tmp_path, "--table", "matrix")
    results = Results(study)
    with (tmp_path / "matrix.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["pvs"]) for row in rows] == [one.pvs for one in results.stimuli]
    for row, scores in zip(rows, results.scores, strict=True):
        own = [float(row[f"viewer_{code}"]) for code in results.viewers]
        assert own == scores.tolist()


def test_methods_are_compared_in_the_export_as_analyse_compares_them(study, tmp_path):
    export(study, "-o", tmp_path, "--format", "json")
    tables = json.loads((tmp_path / "results.json").read_text())
    analysed = Results(study).analysis.as_data()
    overall = [
        row for row in tables["comparisons"] if (row["selection"], row["source"]) == ("all", "")
    ]
    assert len(overall) == 6
    for row, pair in zip(overall, analysed["comparison"]["pairs"], strict=True):
        assert (row["first"], row["second"]) == (pair["first"], pair["second"])
        assert (row["mean"], row["ci95_t"]) == (pair["mean"], pair["ci"])
        assert (row["p_t_holm"], row["p_wilcoxon"]) == (pair["p_t_holm"], pair["p_wilcoxon"])
    ranking = [row for row in tables["ranking"] if row["selection"] == "all"]
    assert [row["method"] for row in ranking] == [
        row["method"] for row in analysed["comparison"]["methods"]
    ]
    assert [row["quality"] for row in tables["subject_model_pvs"][:12]] == analysed["model"][
        "regularised"
    ]["quality"]
    (agreement,) = [row for row in tables["agreement"] if row["selection"] == "all"]
    assert agreement.items() >= analysed["agreement"].items()
    for row in tables["metric_quality"][:3]:
        cubic = analysed["metrics"][row["metric"]]["mapping"]["cubic"]
        assert (row["plcc"], row["rmse"], row["rmse_star"]) == (
            cubic["plcc"], cubic["rmse"], cubic["rmse_star"],
        )  # fmt: skip
    rules = {row["rule"] for row in tables["screening"]}
    assert rules == set(analysed["screening"])


def test_ratings_alone_are_written_without_any_statistics(study, tmp_path, monkeypatch):
    monkeypatch.setattr("scoring.results.ratings_of", lambda _: pytest.fail("read them all"))
    monkeypatch.setattr(exporting, "SAY_EVERY", 0.0)
    export(study, "-o", tmp_path, "--table", "ratings", "--table", "cells")
    assert {path.name for path in tmp_path.iterdir()} == {"ratings.csv", "cells.csv"}


def test_a_reader_who_stops_early_ends_it_without_a_word(study, monkeypatch):
    command = "scoring.management.commands.export_mos"

    def stopped(*_):
        raise BrokenPipeError

    monkeypatch.setattr(f"{command}.write_stream", stopped)
    monkeypatch.setattr("scoring.management.standard_output.close_stdout", lambda: None)
    with pytest.raises(SystemExit, match="141"):
        export(study, "-o", "-", "--table", "ratings")
