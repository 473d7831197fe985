"""What the results page says: by whose votes, how surely, and in cases where little can be said."""

import re

import numpy as np
import pytest

from scoring.models import Measurement
from scoring.results import Results
from scoring.rules import RULES, SELECTIONS
from scoring.sections.rules import rule_groups
from scoring.stats.subject_model import Mode
from sessions_app.models import Pair, Vote
from tests.factories import StudyFactory, make_panel


def text_of(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def answer_of(response) -> str:
    return " ".join(response.context["summary"]["sentences"])


# ---- whose votes are used --------------------------------------------------------------------


def test_screened_and_unscreened_stand_side_by_side(results_page, study):
    response = results_page()
    row, text = response.context["sources"]["rows"][0], response.content.decode()
    assert (row["used"]["votes"], row["all"]["votes"]) == (9, 11)
    for estimate in (row["used"], row["all"]):
        assert f"<b>{estimate['mos']:.2f}</b>" in text
        assert f"±&nbsp;{estimate['ci']:.2f}" in text
    assert row["change"] == pytest.approx(row["used"]["mos"] - row["all"]["mos"])


@pytest.mark.parametrize(
    ("rule", "used"),
    [
        ("all", 11),
        ("pearson", 9),
        ("pearson_iterative", 9),
        ("pearson_without_own_vote", 9),
        ("bt500", 10),
        ("bt1788", 9),
        ("vqeg_multimedia", 9),
    ],
)
def test_every_rule_can_be_chosen(results_page, study, rule, used):
    response = results_page(rule)
    assert response.context["selection"].rule == rule
    assert response.context["summary"]["used"] == used
    assert f'<option value="{rule}" selected>' in response.content.decode()


@pytest.mark.parametrize("rule", ["", "nonsense", "bias_removal"])
def test_the_default_is_pearson_one_by_one(results_page, study, rule):
    assert results_page(rule).context["selection"].rule == "pearson_iterative"


def test_numbers_of_the_page_are_those_of_the_analysis(results_page, study):
    context, data = results_page("all").context, Results(study).analysis.as_data()
    shown = {row["method"]: row["used"]["mos"] for row in context["methods"]["rows"]}
    names = {"lanczos3": "Lanczos", "nearest": "Nearest", "bicubic": "Bicubic"}
    for row in data["comparison"]["methods"]:
        assert shown[names.get(row["method"], "SPAN x2")] == pytest.approx(row["mos"])
    for pair, found in zip(context["methods"]["pairs"], data["comparison"]["pairs"], strict=True):
        for name in ("mean", "ci", "p_sign", "p_wilcoxon"):
            assert pair[name] == pytest.approx(found[name])
        assert pair["p_holm"] == pytest.approx(found["p_t_holm"])
    assert context["viewers"]["agreement"].icc_mean == pytest.approx(data["agreement"]["icc_mean"])
    assert context["viewers"]["model"].mode == Mode.REGULARISED
    vmaf = next(one["found"] for one in context["metrics"]["each"] if one["slug"] == "vmaf")
    assert vmaf.plcc == pytest.approx(data["metrics"]["vmaf"]["mapping"]["cubic"]["plcc"])


def test_a_viewer_left_out_by_hand_is_named_as_a_deviation(results_page, study):
    response = results_page(without=["V03"])
    assert response.context["summary"]["used"] == 8
    text = text_of(response)
    assert "Left out by hand: V03." in text
    assert "deviation" in text
    assert "V03 left out by hand</span>" in text  # below the figures
    assert 'id="without-V03" aria-label="Leave out V03 by hand" checked' in text
    by_others = np.delete(Results(study).scores, [2, 9, 10], axis=1)
    row = response.context["sources"]["rows"][0]
    assert row["used"]["mos"] == pytest.approx(by_others[0].mean())


def test_rules_judge_everybody_whoever_is_left_out_by_hand(results_page, study):
    before, after = results_page(), results_page(without=["V01", "V02"])
    reasons = [
        [row["found"].reason for row in page.context["screening"]["rows"]]
        for page in (before, after)
    ]
    assert reasons[0] == reasons[1]


def test_a_viewer_whom_there_is_not_is_not_left_out(results_page, study):
    response = results_page(without=["V99", "<script>"])
    assert response.context["selection"].without == ()
    assert "by hand:" not in response.content.decode()


def test_each_rejected_viewer_has_statistic_threshold_and_reason(results_page, study):
    response = results_page()
    rows = {row["code"]: row for row in response.context["screening"]["rows"]}
    text = response.content.decode()
    for code in ("V10", "V11"):
        assert rows[code]["found"].verdict == "rejected"
        assert rows[code]["statistic"].replace("-", "−") in text
        reason = rows[code]["found"].reason.replace("= -", "= −")
        assert reason.replace("'", "&#x27;") in text
    assert "upside down" in rows["V11"]["found"].reason


def test_all_rules_stand_side_by_side(results_page, study):
    grid = results_page().context["screening"]["grid"]
    assert [name for name, _ in grid["rules"]] == [
        name for name in SELECTIONS if name not in ("all", "bias_removal")
    ]
    reversed_scale = grid["rows"][-1]
    assert reversed_scale["code"] == "V11"
    assert reversed_scale["times"] == sum(cell["sign"] == "✗" for cell in reversed_scale["cells"])
    assert reversed_scale["times"] >= 4


def test_a_viewer_none_of_whose_votes_counts_is_named(results_page, factory):
    session = factory.study.sessions.first()
    factory._seat(session, "V12", 1)
    response = results_page()
    assert response.context["summary"]["panel"] == 11
    assert "No vote counts of V12." in text_of(response)


# ---- the answer ------------------------------------------------------------------------------


def test_the_answer_names_the_best_and_how_sure_that_is(results_page, study):
    answer = answer_of(results_page())
    assert answer.startswith("SPAN x2 has the highest MOS (")
    assert "significantly better than every other method" in answer
    assert "It is first in every source." in answer


def test_methods_alike_are_not_said_to_differ(results_page, people):
    factory = StudyFactory(people.owner, methods=("lanczos3", "one", "other"))
    factory.quality = dict.fromkeys(factory.quality, 5.0)
    factory.run_session(make_panel(9))
    answer = answer_of(results_page())
    assert answer.startswith("No method differs significantly from another.")
    assert "could have shown a difference of" in answer
    assert "first in" not in answer


def test_a_second_method_as_good_as_the_best_is_named(results_page, people):
    factory = StudyFactory(people.owner, methods=("nearest", "bicubic", "one", "other"))
    for pair in Pair.objects.all():
        factory.quality[pair.second_id] = 5.0 if pair.second.method != "bicubic" else 3.0
        factory.quality[pair.first_id] = 1.0
    factory.run_session(make_panel(9))
    response = results_page()
    best = response.context["methods"]["rows"][:2]
    answer = answer_of(response)
    assert f"It does not differ significantly from {best[1]['method']}" in answer
    assert "significantly better than Bicubic and Nearest" in answer
    assert best[0]["groups"] == best[1]["groups"] == "a"


def test_another_answer_by_all_viewers_is_said(results_page, people):
    factory = StudyFactory(people.owner, methods=("lanczos3", "one", "other", "third"))
    for pair in Pair.objects.all():
        factory.quality[pair.second_id] = factory.quality[pair.first_id] + 2.5
    factory.run_session(make_panel(8, V09="reversed", V10="reversed", V11="reversed"))
    screened, everybody = answer_of(results_page()), answer_of(results_page("all"))
    assert "By all viewers it is another answer: No method differs significantly" in screened
    assert "another answer" not in everybody


def test_a_rule_that_rejects_half_the_panel_is_no_judge_of_viewers(results_page, people):
    factory = StudyFactory(people.owner, methods=("lanczos3", "one", "other", "third"))
    factory.quality = dict.fromkeys(factory.quality, 5.0)
    factory.run_session(make_panel(9))
    assert "That says more of the study than of them" in text_of(results_page())
    assert "That says more" not in text_of(results_page("all"))


def test_each_source_has_its_best_method_and_those_not_worse(results_page, study):
    best = results_page().context["sources"]["best"]
    assert [row["source"] for row in best] == ["bikes", "harbour", "market"]
    assert {row["method"] for row in best} == {"SPAN x2"}


def test_a_collapse_of_the_published_model_is_said_with_the_viewer(results_page, people):
    factory = StudyFactory(people.owner, methods=("lanczos3", "nearest"))
    factory.run_session(make_panel(4))
    (warning,) = results_page().context["viewers"]["model_warnings"]
    assert warning.startswith("Exact model: Collapsed: 1 of 4 viewers")
    assert re.search(r"\(V0\d\)$", warning)


# ---- little to say ---------------------------------------------------------------------------


def test_one_viewer_gets_numbers_without_intervals_and_no_claim(results_page, empty_factory):
    empty_factory.run_session(make_panel(1))
    response = results_page()
    assert "with 1 viewer nobody can say whether the methods differ" in answer_of(response)
    assert response.context["sources"]["rows"][0]["all"]["ci"] is None
    assert response.context["viewers"]["between"] is None
    assert "Not screened" in text_of(response)


def test_one_method_is_compared_with_nothing(results_page, people):
    factory = StudyFactory(people.owner, methods=("lanczos3", "other"))
    factory.run_session(make_panel(9))
    anchor = {pair.first_id for pair in Pair.objects.all()}
    for vote in Vote.objects.select_related("showing__cell"):
        cell = vote.showing.cell
        if (cell.a_id if vote.slot == "A" else cell.b_id) not in anchor:
            vote.delete()
    response = results_page()
    assert answer_of(response).startswith("Only Lanczos has votes")
    assert response.context["methods"]["power"] is None


def test_a_study_without_metrics_says_where_they_are_made(results_page, study):
    Measurement.objects.all().delete()
    text = text_of(results_page())
    assert "Nothing measured yet" in text
    assert "Is one metric better than another?" not in text


def test_when_everybody_is_left_out_the_page_says_so_and_lets_them_back(results_page, study):
    response = results_page(without=[f"V{number:02}" for number in range(1, 12)])
    assert answer_of(response).startswith("No viewer is left")
    text = response.content.decode()
    assert 'name="without" value="V01"' in text
    assert 'id="methods"' not in text


def test_two_viewers_left_have_a_page(results_page, study):
    response = results_page("all", without=[f"V{number:02}" for number in range(3, 12)])
    assert response.context["summary"]["used"] == 2
    assert np.isnan(response.context["viewers"]["agreement"].split_half)


def test_a_panel_in_which_everybody_scores_the_same_has_a_page(results_page, empty_factory):
    empty_factory.run_session({f"V{number}": "constant" for number in range(1, 10)})
    response = results_page()
    assert answer_of(response).startswith("No method differs from another")
    assert "do not vary" in text_of(response)


def test_methods_that_lack_sources_are_ranked_with_a_warning(results_page, factory):
    Vote.objects.filter(showing__cell__pair=Pair.objects.last()).delete()
    lost = Pair.objects.last()
    lost.cells.all().delete()
    lost.delete()
    response = results_page()
    assert "Not every method has every content" in text_of(response)
    assert len(response.context["methods"]["rows"]) == 4


def test_a_pvs_without_a_value_of_a_metric_is_counted(results_page, study):
    lost = Measurement.objects.filter(metric="psnr_y").first()
    lost.mean = None
    lost.save()
    response = results_page()
    text = text_of(response)
    assert '11 <span class="muted">(1 left out)</span>' in text
    assert text.count("left out)</span>") == 1
    assert "Higher is better." in text


def test_what_one_viewer_cannot_tell_is_not_said_to_be_alike(results_page, empty_factory):
    empty_factory.run_session(make_panel(1))
    text = text_of(results_page())
    assert "No difference can be tested by these votes." in text
    assert text.count("cannot be tested") == 3  # sources
    assert "±&nbsp;–" not in text
    assert "– to –" not in text


# ---- how it is said --------------------------------------------------------------------------


def test_every_rule_has_its_words_and_its_place_once():
    named = [one.name for group in rule_groups() for one in group.rules]
    assert sorted(named) == sorted([*RULES, *(f"selection_{name}" for name in SELECTIONS)])


def test_every_column_of_numbers_leads_to_its_rule(results_page, study):
    heads = re.findall(r'<th class="num">(.*?)</th>', text_of(results_page()))
    without = [head for head in heads if "term" not in head]
    assert len(heads) > 30
    assert without == ["Viewers used"]  # whose rows lead to theirs


def test_a_reason_is_reached_by_key_where_a_viewer_is_not_accepted(results_page, study):
    text = text_of(results_page())
    signs = re.findall(r'<button type="button" class="term sign[^>]*title="([^"]+)"', text)
    cells = [
        cell["reason"]
        for row in results_page().context["screening"]["grid"]["rows"]
        for cell in row["cells"]
        if cell["sign"] != "✓"
    ]
    assert len(signs) == len(cells) > 0
    assert "r = −0." in text  # no hyphen stands for a minus


def test_every_term_has_its_rule_on_the_page(results_page, study):
    text = results_page().content.decode()
    for name in set(re.findall(r'href="#rule-(\w+)"', text)):
        assert f'id="rule-{name}"' in text


def test_every_figure_names_its_columns_and_has_its_data_on_the_page(results_page, study):
    text = results_page().content.decode()
    shown = re.findall(r'data-figure="([\w-]+)"', text)
    assert len(shown) == len(set(shown)) == 12
    for name in shown:
        assert f'<script id="{name}" type="application/json">' in text
    assert text.count('data-save="csv"') == len(shown)


def test_methods_of_one_name_are_told_apart(results_page, people):
    factory = StudyFactory(people.owner, methods=("lanczos3", "Lanczos", "bicubic"))
    factory.run_session(make_panel(3))
    rows = results_page().context["methods"]["rows"]
    assert {row["method"] for row in rows} == {
        "Lanczos (lanczos3)",
        "Lanczos (Lanczos)",
        "Bicubic",
    }


def test_names_of_viewers_are_text(results_page, empty_factory):
    empty_factory.run_session(make_panel(9, **{"<b>": "random"}))
    text = results_page().content.decode()
    assert 'value="<b>"' not in text
    assert "&lt;b&gt;" in text


def test_the_page_asks_the_database_as_often_for_many_votes_as_for_few(
    results_page, empty_factory, django_assert_max_num_queries
):
    empty_factory.run_session(make_panel(12))
    results_page()
    with django_assert_max_num_queries(30):
        results_page()
