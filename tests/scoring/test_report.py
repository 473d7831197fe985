"""The report: whole in itself, with everything a reader must know before believing it."""

import html
import io
import math
import re
import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django.utils.formats import date_format

from scoring.answer import Selection
from scoring.models import Measurement
from scoring.report import report_html
from scoring.report.deviations import deviations
from scoring.report.svg import Axis, Dot, Point, Row, cloud, rows_of_points
from scoring.results import Results
from sessions_app.core.planner import UNMEASURED
from sessions_app.models import Cell, CellKind, Note, Seat, SessionState, Slot, Source, Vote
from tests.factories import StudyFactory, make_panel

AXIS = Axis("MOS", 0, 10)


class Texts(HTMLParser):
    """What a person reads, and what a browser would fetch."""

    def __init__(self, page):
        super().__init__()
        self.text, self.fetched, self.hidden = [], [], 0
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.hidden += tag == "style"
        named = dict(attributes)
        self.fetched += [named[name] for name in ("src", "href", "srcset", "data") if name in named]
        assert tag not in ("script", "link", "iframe", "img")

    def handle_endtag(self, tag):
        self.hidden -= tag == "style"

    def handle_data(self, data):
        if not self.hidden:
            self.text.append(data)


def read(page):
    return re.sub(r"\s+", " ", " ".join(Texts(page).text))


def found(study, selection=None):
    results = Results(study)
    answer = results.analysis.answer(selection or Selection("pearson_iterative"))
    return " ".join(f"{one.about}: {one.found}" for one in deviations(results, answer))


def test_a_report_needs_nothing_from_elsewhere(study):
    page = report_html(Results(study))
    assert Texts(page).fetched == []
    assert not re.search(r"url\(|@import", page)


def test_it_says_the_numbers_of_all_and_of_those_left(study):
    results = Results(study)
    text = read(report_html(results))
    assert "9 of 11 viewers, 198 counted votes of 286 cast" in text
    for answer in (results.analysis.answer(), results.analysis.answer(Selection("pearson"))):
        for mos in (*answer.mos.mos, *answer.by_condition.mos):
            assert f" {mos:.2f} " in text
    for code in ("V10", "V11"):
        assert re.search(rf"{code} .{{0,40}} rejected", text)


def test_it_states_scale_constants_seed_and_hashes(study):
    text = read(report_html(Results(study)))
    assert all(words in text for words in study.protocol.scale.labels.values())
    for said in (
        "0.75",
        "ddof = 1",
        "1.96",
        f"seed {study.seed}",
        "hash of the votes",
        "9 experts",
    ):
        assert said in text


def test_it_begins_with_the_answer_and_says_when_it_was_made_and_held(study):
    text = read(report_html(Results(study)))
    answer, deviations_begin = (
        text.index("SPAN x2 has the highest MOS"),
        text.index("What deviates"),
    )
    assert answer < deviations_begin
    assert f"Made on {date_format(timezone.localdate(), 'j F Y')}" in text
    assert "1 test session and 0 of training were held, the former on 2 March 2026" in text


def test_who_is_left_out_by_hand_is_left_out_of_the_report_too(study):
    text = read(report_html(Results(study), Selection("all", ("V03",))))
    assert "No viewer is left out" not in text
    assert "Left out: V03;" in text
    assert "All viewers, and by hand" in text
    assert re.search(r"V03 .{0,40} accepted, left out by hand", text)


def test_methods_of_one_name_are_told_apart(people):
    factory = StudyFactory(people.owner, methods=("lanczos3", "Lanczos", "bicubic"))
    factory.run_session(make_panel(3))
    text = read(report_html(Results(factory.study)))
    assert "Lanczos (lanczos3)" in text and "Lanczos (Lanczos)" in text


def test_agreement_says_over_how_many_pvss_it_is(factory):
    assert "PVSs only, those that all viewers used scored" not in read(
        report_html(Results(factory.study))
    )
    cell = Cell.objects.filter(kind=CellKind.TEST).first()
    slot = Slot.A if cell.a_id == cell.pair.second_id else Slot.B  # no anchor: shown once
    Vote.objects.get(seat__viewer__code="V01", showing__cell=cell, slot=slot).delete()
    text = read(report_html(Results(factory.study)))
    assert "The ICC is over 11 of 12 PVSs only" in text


def test_a_viewer_who_was_not_judged_is_not_drawn_as_accepted(factory):
    votes = Vote.objects.filter(seat__viewer__code="V01", showing__cell__kind=CellKind.TEST)
    votes.exclude(pk__in=votes.values("pk")[:4]).delete()
    page = report_html(Results(factory.study))
    (figure,) = re.findall(r"<svg[^>]*><title>Screening of viewers.*?</svg>", page, re.DOTALL)
    assert all(f">{said}</text>" in figure for said in ("accepted", "rejected", "not assessed"))


def test_the_name_of_a_study_at_the_foot_of_a_page_is_no_style(study):
    study.name = '"} body { display: none } </style><script>'
    page = report_html(Results(study))
    assert Texts(page).fetched == []
    assert "display: none" not in page.partition("<style>")[2].partition("</style>")[0]


def test_what_people_typed_is_never_markup(study):
    study.question = "Is <b>A</b> better & </style><script>alert(1)</script>?"
    Source.objects.filter(name="bikes").update(name='<img src="x"> & bikes')
    page = report_html(Results(study))
    assert Texts(page).fetched == []  # and no script or image, by Texts itself
    assert html.escape(study.question) in page


def test_every_figure_is_well_formed_and_has_a_name(study):
    figures = re.findall(r"<svg.*?</svg>", report_html(Results(study)), re.DOTALL)
    assert len(figures) == 3 + 3  # methods, sources, viewers, and each metric
    for figure in figures:
        root = ET.fromstring(figure)
        assert root[0].tag.endswith("title") and root[0].text
        assert "nan" not in figure.lower()


def test_a_study_as_the_recommendation_asks_deviates_in_what_nobody_recorded_only(empty_factory):
    session = empty_factory.run_session(make_panel(9))
    training = empty_factory.run_session(make_panel(9))
    training.training = True
    training.save()
    session.refresh_from_db()
    results = Results(empty_factory.study)
    about = {one.about for one in deviations(results, results.analysis.answer())}
    assert about == {"Viewing conditions"}


def test_few_viewers_open_sessions_and_lost_votes_are_found(empty_factory):
    session = empty_factory.run_session(make_panel(3), state=SessionState.RUNNING)
    cell = empty_factory.add_cell(session, 90, CellKind.TEST, empty_factory.study.pairs.first())
    late = empty_factory.add_showing(cell, valid=False, verdict="a: 3 frames late")
    seat = session.seats.first()
    empty_factory.add_votes(late, {seat: "good"})
    Seat.objects.filter(pk=seat.pk).update(kind="paper")
    Note.objects.create(session=session, text="a lamp fell over")
    text = found(empty_factory.study)
    assert "3 viewers gave counted votes; at least 9" in text
    assert "0 of 1 sessions are over" in text
    assert "No training session was held for panel 1" in text
    assert "Never shown properly: 1 of 10 test cells" in text
    assert "Not shown properly, so that votes do not count: 1 showing." in text
    assert "2 votes of test cells not counted: not shown properly: a: 3 frames late" in text
    assert "Given on paper and typed in afterwards: 28 votes" in text
    assert "a lamp fell over" in text


def test_a_cell_shown_again_properly_is_not_counted_as_lost(empty_factory):
    session = empty_factory.run_session(make_panel(9))
    first = session.cells.filter(kind=CellKind.TEST).first()
    first.showings.update(valid=False, verdict="a: 3 frames late")
    again = empty_factory.add_cell(session, 91, CellKind.TEST, first.pair)
    Cell.objects.filter(pk=again.pk).update(repeats=first)
    empty_factory.add_showing(again)
    text = found(empty_factory.study)
    assert "Never shown properly" not in text
    assert "Shown again, out of the planned order: 1 test cell." in text


def test_a_trial_a_looser_rule_and_hand_made_choices_are_found(empty_factory):
    session = empty_factory.run_session(make_panel(11))
    session.overrule_reason = "no 50 Hz screen here"
    session.save()
    study = empty_factory.study
    study.late_allowed, study.vote_seconds, study.wait_for_votes = 2, 8.0, True
    study.save()
    text = found(study, Selection("all", ("V03",)))
    assert "Reason given: no 50 Hz screen here" in text
    assert "Showings count that were not exact" in text and "at most 2 frames late" in text
    assert "Voting took 8 s a cell; 5 s are asked for" in text
    assert "waited for all votes" in text
    assert "Left out by hand, not by a rule: V03" in text


def test_what_the_plan_guarantees_is_no_deviation(factory):
    study = factory.study
    study.plan_notes = ["No source is shown twice in a row.", UNMEASURED]
    study.save()
    text = found(study)
    assert "twice in a row" not in text
    assert "not every PVS had been measured" in text
    method = read(report_html(Results(study))).partition("How the test was made")[2]
    assert "No source is shown twice in a row." in method
    assert "Plan again" not in method


def test_one_viewer_no_interval_and_no_metric_still_make_a_report(empty_factory):
    empty_factory.run_session(make_panel(1))
    Measurement.objects.all().delete()
    text = read(report_html(Results(empty_factory.study)))
    assert "1 of 1 viewer," in text and "Objective metrics" not in text


def test_the_command_writes_html_and_refuses_to_replace_it(study, tmp_path):
    file = tmp_path / "report.html"
    call_command("export_mos", study.slug, "--report", str(file), stderr=io.StringIO())
    assert file.read_text().startswith("<!doctype html>")
    with pytest.raises(CommandError, match=r"already has report\.html.*--force"):
        call_command("export_mos", study.slug, "--report", str(file), stderr=io.StringIO())
    call_command(
        "export_mos", study.slug, "--report", str(file), "--rule", "all", "--force",
        stderr=io.StringIO(),
    )  # fmt: skip
    assert "No viewer is left out" in file.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("options", [[], ["-o", "x", "--report", "y.html"]])
def test_where_to_write_is_said_once(study, options):
    with pytest.raises(CommandError, match="-o DIR, or --report FILE"):
        call_command("export_mos", study.slug, *options)


def test_another_ending_is_refused(study, tmp_path):
    with pytest.raises(CommandError, match=r"FILE\.html or FILE\.pdf"):
        call_command("export_mos", study.slug, "--report", str(tmp_path / "report.docx"))


def test_without_chromium_a_pdf_says_what_to_install(study, tmp_path, monkeypatch):
    monkeypatch.setattr("scoring.report.pdf.shutil.which", lambda name: None)
    with pytest.raises(CommandError, match="install chromium"):
        call_command("export_mos", study.slug, "--report", str(tmp_path / "report.pdf"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_a_pdf_is_printed_from_the_same_page(study, tmp_path):
    file = tmp_path / "report.pdf"
    call_command("export_mos", study.slug, "--report", str(file), stderr=io.StringIO())
    assert file.read_bytes().startswith(b"%PDF-")


def test_points_keep_their_place_shape_and_colour():
    row = Row("a <b> & c", [Point(0, math.nan, 0), Point(10, 1, 1), Point(math.nan, 1, 2)])
    drawn = rows_of_points([row], AXIS, ["one", "two", "three"], "A title")
    marks = re.findall(r'class="mark" d="M([\d.]+) ([\d.]+)([^"]+)" fill="(#\w+)"', drawn)
    assert len(marks) == 3 + 2  # legend, and two points: what is not a number is not drawn
    assert float(marks[3][0]) < float(marks[4][0]) <= 720
    assert marks[3][2:] == marks[0][2:] != marks[1][2:] == marks[4][2:]
    assert "a &lt;b&gt; &amp; c" in drawn
    ET.fromstring(drawn)


def test_a_cloud_draws_what_is_finite_and_its_curve():
    dots = [Dot(1, 5, 0.5, 0), Dot(math.inf, 5, 0.5, 0), Dot(2, math.nan, 0.5, 1)]
    drawn = cloud(dots, Axis("VMAF", 0, 100), AXIS, ["one", "two"], "T", [(0, 1), (100, 9)])
    assert drawn.count('class="mark"') == 2 + 1
    assert drawn.count("<polyline") == 1
    ET.fromstring(drawn)


@pytest.mark.parametrize(("low", "high"), [(0, 10), (-1, 1), (23.2, 41.7), (0.9971, 0.9983)])
def test_an_axis_has_a_few_round_ticks(low, high):
    ticks = Axis("", low, high).ticks()
    assert 3 <= len(ticks) <= 11
    assert low - 1e-9 <= ticks[0] and ticks[-1] <= high + 1e-9
