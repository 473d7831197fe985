"""P.1401 figures, differences between metrics and Krasula's analysis: worked cases and edges."""

import math

import numpy as np
import pytest
import scipy.stats

from scoring.stats.discrimination import (
    area,
    compare_discrimination,
    delong,
    discriminate,
)
from scoring.stats.mapping import Kind, Polarity
from scoring.stats.metric_difference import (
    compare_metrics,
    fisher_z,
    meng_rosenthal_rubin,
    williams,
    zou_interval,
)
from scoring.stats.metric_quality import evaluate_metric, leave_one_content_out

from . import published

# Twelve stimuli; numbers worked apart with numpy and scipy from the published formulas.
MOS = np.array([1.2, 2.1, 2.9, 3.8, 4.4, 5.1, 5.9, 6.4, 7.2, 7.9, 8.6, 9.3])
CI = np.array([0.42, 0.48, 0.5, 0.55, 0.52, 0.5, 0.47, 0.5, 0.45, 0.41, 0.38, 0.3])
VMAF = np.array([12.0, 25, 31, 44, 47, 58, 63, 70, 74, 85, 92, 97])
PSNR = np.array([24.1, 27.9, 26.2, 30.4, 33.0, 29.1, 35.2, 31.7, 37.5, 34.0, 41.2, 39.0])


def test_the_worked_metrics_have_the_worked_figures():
    vmaf, psnr = evaluate_metric(VMAF, MOS, CI), evaluate_metric(PSNR, MOS, CI)
    assert vmaf.plcc == pytest.approx(0.9981784745, abs=1e-10)
    assert vmaf.plcc_low == pytest.approx(0.9932880431, abs=1e-9)
    assert vmaf.plcc_high == pytest.approx(0.9995065471, abs=1e-9)
    assert vmaf.rmse == pytest.approx(0.1842541976, abs=1e-10)
    assert vmaf.rmse_low == pytest.approx(0.1244557939, abs=1e-9)
    assert vmaf.rmse_high == pytest.approx(0.3529888269, abs=1e-9)
    assert (vmaf.rmse_star, vmaf.outlier_ratio) == (0, 0)
    assert psnr.plcc == pytest.approx(0.9158766159, abs=1e-10)
    assert psnr.srocc == pytest.approx(0.9090909091, abs=1e-10)
    assert psnr.krocc == pytest.approx(0.7575757576, abs=1e-10)
    assert psnr.rmse == pytest.approx(1.2260968165, abs=1e-10)
    assert psnr.rmse_star == pytest.approx(0.7470459571, abs=1e-10)
    assert psnr.outlier_ratio == 0.75
    assert psnr.outlier.sum() == 9
    assert (psnr.n, psnr.d) == (12, 4)


@pytest.mark.parametrize("kind", [Kind.CUBIC, Kind.LINEAR])
@pytest.mark.parametrize("metric", ["vmaf", "psnr"])
def test_all_figures_of_the_reference_come_out(metric, kind):
    example = published.load("worked_examples.json")["p1401"]
    reference = example["metrics"][metric]
    found = evaluate_metric(
        np.array(reference["x"]), np.array(example["mos"]), np.array(example["ci"]), kind
    )
    expected = reference[kind.value]
    for ours, theirs in [
        (found.n, "N"),
        (found.d, "d"),
        (found.plcc, "plcc"),
        (found.plcc_low, "plcc_lo"),
        (found.plcc_high, "plcc_hi"),
        (found.rmse, "rmse"),
        (found.rmse_low, "rmse_lo"),
        (found.rmse_high, "rmse_hi"),
        (found.rmse_star, "rmse_star"),
        (found.outlier_ratio, "outlier_ratio"),
        (found.outlier_ratio_sd, "or_sd"),
    ]:
        assert ours == pytest.approx(expected[theirs], abs=1e-9)
    assert found.plcc_raw == pytest.approx(reference["plcc_raw"], abs=1e-12)
    assert found.srocc == pytest.approx(reference["srocc"], abs=1e-12)
    assert found.krocc == pytest.approx(reference["krocc"], abs=1e-12)


def test_the_worked_difference_of_metrics_comes_out():
    found = compare_metrics(VMAF, PSNR, MOS, CI)
    assert found.fisher.statistic == pytest.approx(4.1097091908, abs=1e-8)
    assert found.rmse.statistic == pytest.approx(44.2807275880, abs=1e-6)
    assert found.outliers.statistic == pytest.approx(-3.7947331922, abs=1e-9)
    expected = published.load("worked_examples.json")["p1401"]
    assert found.fisher.p == pytest.approx(expected["p_two"], rel=1e-6)
    assert found.rmse.p == pytest.approx(expected["p_F"], rel=1e-6)
    assert found.correlation == pytest.approx(expected["r12"], abs=1e-9)
    assert found.williams.statistic == pytest.approx(8.3975657160, abs=1e-7)
    assert found.williams.p == pytest.approx(expected["williams_p"], rel=1e-6)
    assert found.meng.statistic == pytest.approx(5.5765677296, abs=1e-7)
    assert found.meng.p == pytest.approx(expected["mrr_p"], rel=1e-6)


def test_zous_interval_is_that_of_its_paper():
    # Zou 2007, example 2: r12 = .396, r13 = .179, r23 = .088, n = 66: (-.093, .517).
    low, high = zou_interval(0.396, 0.179, 0.088, 66)
    assert low == pytest.approx(-0.093, abs=1e-3)
    assert high == pytest.approx(0.517, abs=1e-3)


def test_equal_metrics_do_not_differ():
    found = compare_metrics(PSNR, PSNR + 3, MOS, CI)
    assert found.difference == pytest.approx(0, abs=1e-12)
    assert math.isnan(found.williams.statistic)
    assert found.fisher.p == pytest.approx(1)


def test_metrics_are_compared_over_the_stimuli_that_both_have():
    psnr = PSNR.copy()
    psnr[0], psnr[5] = math.inf, math.nan
    found = compare_metrics(VMAF, psnr, MOS, CI)
    assert found.n == found.first.n == 10


@pytest.mark.parametrize(
    ("test", "arguments"),
    [
        (fisher_z, (1.0, 12, 0.5, 12)),
        (fisher_z, (0.9, 3, 0.5, 3)),
        (williams, (0.9, 0.5, 1.0, 12)),
        (williams, (0.9, 0.5, 0.3, 3)),
        (meng_rosenthal_rubin, (1.0, 0.5, 0.5, 12)),
    ],
)
def test_what_is_undefined_is_nan(test, arguments):
    assert math.isnan(test(*arguments).p)


# ---- edges -----------------------------------------------------------------------------------


def test_missing_and_infinite_values_are_counted_and_never_fitted():
    metric = np.concatenate([PSNR, [math.inf, math.nan, 30.0]])
    mos = np.concatenate([MOS, [10.0, 5.0, math.nan]])
    found = evaluate_metric(metric, mos, np.concatenate([CI, [0.1, 0.1, 0.1]]))
    assert (found.n, found.missing, found.infinite) == (12, 2, 1)
    assert found.plcc == evaluate_metric(PSNR, MOS, CI).plcc
    assert np.isnan(found.predicted[12:]).all()
    assert not found.outlier[12:].any()


@pytest.mark.parametrize(
    ("metric", "mos", "reason"),
    [
        (np.full(12, 30.0), MOS, "same value everywhere"),
        (PSNR, np.full(12, 5.0), "MOS is the same everywhere"),
        (PSNR[:2], MOS[:2], "2 usable points"),
        (np.array([1.0, 1, 2, 2, 3]), MOS[:5], "4 coefficients"),
    ],
)
def test_what_cannot_be_evaluated_says_why(metric, mos, reason):
    found = evaluate_metric(metric, mos)
    assert reason in found.reason
    assert math.isnan(found.plcc)
    assert math.isnan(found.rmse)


def test_as_many_points_as_coefficients_leave_no_rmse():
    found = evaluate_metric(PSNR[:4], MOS[:4], CI[:4])
    assert math.isnan(found.rmse)
    assert math.isnan(found.rmse_star)
    assert found.plcc > 0.9


def test_a_metric_where_less_is_better_keeps_its_sign_raw_and_is_mapped_falling():
    found, mirrored = evaluate_metric(-PSNR, MOS, CI), evaluate_metric(PSNR, MOS, CI)
    assert found.plcc_raw == -mirrored.plcc_raw
    assert found.srocc == -mirrored.srocc
    assert found.krocc == -mirrored.krocc
    assert found.plcc == pytest.approx(mirrored.plcc)
    assert found.rmse == pytest.approx(mirrored.rmse)


def test_without_a_mapping_the_error_is_divided_by_n_minus_1():
    found = evaluate_metric(MOS + 0.5, MOS, CI, Kind.NONE)
    assert found.rmse == pytest.approx(0.5 * np.sqrt(12 / 11))
    assert found.curve is None


def test_ranks_with_ties_are_those_of_scipy():
    metric, mos = np.round(PSNR / 4), np.round(MOS)
    found = evaluate_metric(metric, mos)
    assert found.srocc == pytest.approx(scipy.stats.spearmanr(metric, mos).statistic)
    assert found.krocc == pytest.approx(scipy.stats.kendalltau(metric, mos).statistic)


def test_stimuli_without_an_interval_are_no_outliers_and_are_counted():
    ci = CI.copy()
    ci[:3] = math.nan
    found = evaluate_metric(PSNR, MOS, ci)
    assert (found.n, found.with_ci) == (12, 9)
    assert not found.outlier[:3].any()
    assert math.isnan(evaluate_metric(PSNR, MOS).outlier_ratio)


def test_a_content_is_predicted_by_the_others_only():
    content = np.repeat([0, 1, 2], 4)
    found = leave_one_content_out(VMAF, MOS, content, Kind.LINEAR)
    slope, offset = np.polyfit(VMAF[4:], MOS[4:], 1)
    np.testing.assert_allclose(found.predicted[:4], offset + slope * VMAF[:4])
    error = MOS - found.predicted
    assert found.rmse == pytest.approx(np.sqrt(np.mean(error**2)))
    assert found.rmse_by_content[0] == pytest.approx(np.sqrt(np.mean(error[:4] ** 2)))
    assert found.rmse > evaluate_metric(VMAF, MOS, kind=Kind.LINEAR).rmse * np.sqrt(10 / 12)


def test_a_single_content_cannot_be_left_out():
    found = leave_one_content_out(VMAF, MOS, np.zeros(12, dtype=np.intp))
    assert math.isnan(found.rmse)
    assert "Without content 0" in found.reason


# ---- Krasula ---------------------------------------------------------------------------------

K_MOS = np.array([2, 3.1, 4, 4.3, 5.6, 6.1, 7, 7.2])
K_SD = np.array([1, 1.2, 1.2, 1.1, 1.3, 1, 1, 0.9])
K_METRIC = np.array([24.0, 31, 30, 27, 33, 36, 35, 41])
NINE = np.full(8, 9.0)


def test_the_worked_pairs_give_the_worked_areas():
    # Krasula's own program and scikit-learn agree.
    found = discriminate(K_METRIC, K_MOS, K_SD, NINE)
    assert (found.pairs, found.different) == (28, 24)
    assert found.auc_different_similar == pytest.approx(0.7916666667, abs=1e-10)
    assert found.auc_better_worse == pytest.approx(0.9774305556, abs=1e-10)
    assert found.correct == pytest.approx(0.9166666667, abs=1e-10)


def test_the_small_worked_case_is_perfect():
    example = published.load("worked_examples.json")["krasula"]
    arrays = (np.array(example[name], dtype=float) for name in ("x", "mos", "sd"))
    found = discriminate(*arrays, np.full(5, float(example["n"])))
    expected = example["res"]
    assert (found.pairs, found.different) == (expected["n_pairs"], expected["n_diff"])
    assert found.auc_different_similar == expected["auc_ds"]
    assert found.auc_better_worse == expected["auc_bw"]
    assert found.correct == expected["cc0"]


def test_polarity_is_stated_not_guessed():
    found = discriminate(-K_METRIC, K_MOS, K_SD, NINE, higher_is_better=False)
    assert found.auc_better_worse == pytest.approx(0.9774305556, abs=1e-10)
    assert discriminate(-K_METRIC, K_MOS, K_SD, NINE).correct < 0.1


def test_an_area_is_the_chance_that_a_positive_lies_higher():
    generator = np.random.default_rng(5)
    positive, negative = generator.integers(0, 6, 15), generator.integers(0, 5, 11)
    higher = positive[:, None] > negative
    level = positive[:, None] == negative
    expected = (higher + level / 2).mean()
    assert area(positive.astype(float), negative.astype(float))[0] == pytest.approx(expected)


def test_two_areas_over_the_same_cases_differ_as_delong_says():
    generator = np.random.default_rng(6)
    truth = np.repeat([1.0, 0.0], [25, 30])
    one, other = truth + generator.normal(0, 0.8, 55), truth + generator.normal(0, 1.6, 55)
    one[:10] = np.round(one[:10])
    found = delong((one[:25], one[25:]), (other[:25], other[25:]))
    # The definition: variances of structural components, by every positive and negative.
    components = []
    for values in (one, other):
        wins = (values[:25, None] > values[25:]) + 0.5 * (values[:25, None] == values[25:])
        components.append((wins.mean(axis=1), wins.mean(axis=0)))
    positives, negatives = (components[0][k] - components[1][k] for k in (0, 1))
    variance = positives.var(ddof=1) / 25 + negatives.var(ddof=1) / 30
    assert found.difference == pytest.approx(positives.mean())
    assert found.z == pytest.approx(positives.mean() / np.sqrt(variance))


def test_metrics_are_compared_by_what_they_tell_apart():
    better = K_MOS + np.array([0.1, 0, -0.1, 0.1, 0, 0.1, -0.1, 0])
    told, ordered = compare_discrimination(better, K_METRIC, K_MOS, K_SD, NINE)
    first = discriminate(better, K_MOS, K_SD, NINE)
    second = discriminate(K_METRIC, K_MOS, K_SD, NINE)
    expected = first.auc_different_similar - second.auc_different_similar
    assert told.difference == pytest.approx(expected)
    assert ordered.difference == pytest.approx(first.auc_better_worse - second.auc_better_worse)
    same, _ = compare_discrimination(K_METRIC, 3 * K_METRIC, K_MOS, K_SD, NINE)
    assert same.difference == 0
    assert math.isnan(same.z)


def test_without_similar_or_different_pairs_an_area_is_undefined_and_said():
    apart = discriminate(K_METRIC, 10 * K_MOS, K_SD / 10, NINE)
    assert math.isnan(apart.auc_different_similar)
    assert "all pairs" in apart.reason
    alike = discriminate(K_METRIC, K_MOS, 100 * K_SD, NINE)
    assert math.isnan(alike.auc_better_worse)
    assert "no pair apart" in alike.reason


def test_infinite_metrics_form_no_pair():
    metric = K_METRIC.copy()
    metric[0] = math.inf
    found = discriminate(metric, K_MOS, K_SD, NINE)
    assert (found.stimuli, found.left_out, found.pairs) == (7, 1, 21)


def test_a_known_polarity_of_the_mapping_is_held():
    found = evaluate_metric(PSNR, MOS, CI, Kind.CUBIC, Polarity.DECREASING)
    assert found.constrained
    assert found.rmse > 2
