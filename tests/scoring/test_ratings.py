"""The table of votes: complete, un-shuffled, and clear about what counts."""

import pytest

from scoring.ratings import each_rating, ratings_of
from sessions_app.models import CellKind, Vote
from tests.factories import make_panel


def test_every_vote_is_one_row(study):
    assert len(ratings_of(study)) == Vote.objects.count() > 0


def test_each_score_goes_to_the_method_that_was_in_its_box(study):
    rows = {rating.vote: rating for rating in each_rating(study)}
    for vote in Vote.objects.select_related("showing__cell__a", "showing__cell__b"):
        cell = vote.showing.cell
        seen = cell.a if vote.slot == "A" else cell.b
        row = rows[vote.pk]
        assert (row.pvs, row.method, row.score) == (seen.pk, seen.method, vote.score)


def test_stabilisation_votes_are_kept_and_not_counted(study):
    table = ratings_of(study)
    warming_up = table[table["kind"] == "stabilisation"]
    assert len(warming_up) == 4 * 2 * 11
    assert not warming_up["counted"].any()
    assert set(warming_up["not_counted_because"]) == {"stabilisation cell: never counted"}
    assert table[table["kind"] == "test"]["counted"].all()


@pytest.mark.parametrize(
    ("state", "valid", "verdict", "because"),
    [
        ("shown", False, "a: 3 frames late", "not shown properly: a: 3 frames late"),
        ("shown", False, "", "not shown properly: no reason recorded"),
        ("playing", None, "", "what the display measured is not in yet"),
        ("interrupted", None, "the session ended", "interrupted: the session ended"),
        ("interrupted", False, "a: 3 frames late", "not shown properly: a: 3 frames late"),
    ],
)
def test_votes_of_a_cell_that_was_not_shown_properly_do_not_count(
    empty_factory, state, valid, verdict, because
):
    session = empty_factory.run_session(make_panel(2))
    seats = dict.fromkeys(session.seats.all(), "good")
    cell = empty_factory.add_cell(session, 90, CellKind.TEST, empty_factory.study.pairs.first())
    showing = empty_factory.add_showing(cell, valid=valid)
    showing.state, showing.verdict = state, verdict
    showing.save()
    empty_factory.add_votes(showing, seats)
    table = ratings_of(empty_factory.study)
    lost = table[table["showing"] == str(showing.pk)]
    assert len(lost) == 4
    assert not lost["counted"].any()
    assert set(lost["not_counted_because"]) == {because}


def test_a_study_without_votes_has_an_empty_table_with_the_same_columns(empty_factory, people):
    columns = list(ratings_of(empty_factory.study).columns)
    assert len(ratings_of(empty_factory.study)) == 0
    empty_factory.run_session(make_panel(1))
    assert list(ratings_of(empty_factory.study).columns) == columns


def test_votes_of_another_study_stay_out(study, people):
    from tests.factories import StudyFactory

    other = StudyFactory(people.stranger, "Second look", seed=2)
    other.run_session(make_panel(3))
    assert len(ratings_of(study)) + len(ratings_of(other.study)) == Vote.objects.count()


def test_what_statistics_read_says_the_same_as_what_is_exported(factory, people):
    session = factory.study.sessions.first()
    cell = factory.add_cell(session, 90, CellKind.TEST, factory.study.pairs.first())
    late = factory.add_showing(cell, valid=False, verdict="a: 3 frames late")
    factory.add_votes(late, dict.fromkeys(session.seats.all(), "good"))
    table, rows = ratings_of(factory.study), list(each_rating(factory.study))
    assert len(rows) == len(table) > 286
    for name in table.columns:
        assert table[name].tolist() == [getattr(rating, name) for rating in rows], name


def test_statistics_keep_a_few_bytes_per_vote(study):
    table = ratings_of(study)
    plain = table["pvs"].to_numpy().nbytes + table["score"].to_numpy().nbytes
    codes = sum(table[name].cat.codes.nbytes for name in ("viewer", "kind", "not_counted_because"))
    assert (plain + codes) / len(table) <= 16
