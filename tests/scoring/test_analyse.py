"""manage.py analyse: the documented JSON, its parity with references, and what it refuses."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from scoring.analysis import plain
from tests.scoring.stats import published

ROOT = Path(__file__).resolve().parents[2]


def analyse(path, *arguments, **options):
    out, err = StringIO(), StringIO()
    call_command("analyse", str(path), *arguments, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def as_json(path, *arguments):
    return json.loads(analyse(path, "--json", *arguments)[0])


@pytest.fixture
def panel(tmp_path):
    """Three contents with their references, three methods, ten viewers of whom one is reversed."""
    generator = np.random.default_rng(8)
    quality = {"bicubic": 3, "span": 6, "rlfn": 7, "": 9}
    lines = ["subject,stimulus,score,content,method,is_reference,vmaf"]
    for content in ("car", "bus", "sea", "sky"):
        for method, mean in quality.items():
            vmaf = "" if not method else 10 * mean + len(content + method)
            for viewer in range(1, 11):
                score = int(np.clip(round(mean + generator.normal(0, 0.8)), 0, 10))
                score = 10 - score if viewer == 10 else score
                name, is_reference = f"{content}-{method or 'ref'}", int(not method)
                lines.append(f"V{viewer},{name},{score},{content},{method},{is_reference},{vmaf}")
    path = tmp_path / "panel.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_documented_keys_are_there(panel):
    found = as_json(panel)
    assert {"stimulus", "n", "mos", "sd", "ci_z", "ci_t"} <= set(found["mos"][0])
    for rule in ("pearson", "pearson_iterative", "bt500"):
        viewer = found["screening"][rule]["viewers"][0]
        assert {"subject", "statistic", "rejected", "reason"} <= set(viewer)
    for mode in ("exact", "regularised"):
        keys = {"quality", "bias", "inconsistency", "converged", "collapsed"}
        assert keys <= set(found["model"][mode])
    assert {"icc_single", "icc_mean", "alpha_interval", "sos_a"} <= set(found["agreement"])
    assert {"midgrey", "python", "numpy", "scipy"} <= set(found["versions"])


def keys_of(found, named_by_data=("times_rejected", "rmse_by_content", "criterion")):
    """Of all objects within; not the names of viewers and contents, nor a rule's constants."""
    if isinstance(found, list):
        return set().union(*map(keys_of, found))
    if not isinstance(found, dict):
        return set()
    inside = (keys_of(value) for key, value in found.items() if key not in named_by_data)
    return set(found).union(*inside)


def test_every_key_is_documented(panel):
    header, *rows = panel.read_text().splitlines()
    panel.write_text(
        "\n".join([f"{header},other", *(f"{row},{row[-1].strip(',')}" for row in rows)])
    )
    found = as_json(panel, "--metric", "vmaf", "--metric", "other")
    page = (ROOT / "docs" / "statistics.md").read_text()
    documented = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`]*)`", page))))
    assert found["metric_differences"]
    assert keys_of(found) - documented <= {"vmaf", "other"}


@pytest.mark.parametrize("name", ["nflx_public", "p910_demo_sample"])
def test_published_ratings_give_the_reference_numbers(name):
    published.ratings(name)  # skips where they are not at hand
    found = as_json(published.FOLDER / name / "raw.csv", "--lowest", "1", "--highest", "5")
    if name == "nflx_public":
        expected = published.load(f"{name}/reference_numpy.json")
        r = expected["pearson_r_self_included"]
        quality = expected["ap"]["quality"]
        rejected = expected["pearson075_iterative_order"]
    else:
        reference = published.load(f"{name}/reference.json")
        expected, r = reference["mos"], reference["r_to_mos"]
        quality = reference["alternating_projection"]["mos_j"]
        rejected = reference["pearson075_iterative"]
    for ours, theirs in (("n", "n"), ("mos", "mos"), ("sd", "sd"), ("ci_z", "ci95_z")):
        np.testing.assert_allclose(
            [row[ours] for row in found["mos"]], expected[theirs], rtol=0, atol=1e-9
        )
    viewers = found["screening"]["pearson"]["viewers"]
    np.testing.assert_allclose([one["statistic"] for one in viewers], r, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found["model"]["exact"]["quality"], quality, rtol=0, atol=1e-6)
    iterative = found["screening"]["pearson_iterative"]["viewers"]
    gone = sorted((one for one in iterative if one["rejected"]), key=lambda one: one["order"])
    assert [one["subject"] for one in gone] == rejected


def test_repetitions_count_once_per_viewer_or_as_votes_where_asked():
    expected = published.load("bt500_demo_repetitions/reference.json")
    path = published.FOLDER / "bt500_demo_repetitions" / "raw.csv"
    once = as_json(path)
    assert {row["n"] for row in once["mos"]} <= {19, 20}
    as_votes = as_json(path, "--repetitions-as-votes")
    for ours, theirs in (("n", "n"), ("mos", "mos"), ("sd", "sd"), ("ci_t", "ci95_t")):
        np.testing.assert_allclose(
            [row[ours] for row in as_votes["mos"]], expected["mos"][theirs], rtol=0, atol=1e-9
        )
    model = once["model"]["exact"]["quality"]
    np.testing.assert_allclose(model, expected["alternating_projection"]["mos_j"], atol=1e-6)


def test_a_reversed_viewer_is_rejected_and_told_why(panel):
    found = as_json(panel)
    viewers = {one["subject"]: one for one in found["screening"]["pearson_iterative"]["viewers"]}
    assert list(viewers) == [f"V{n}" for n in range(1, 11)]
    assert viewers["V10"]["rejected"]
    assert "upside down" in viewers["V10"]["reason"]
    assert found["screening_agreement"]["times_rejected"]["V10"] >= 3
    text, _ = analyse(panel)
    assert "V10: Scores follow the panel's mean too loosely" in text
    change = found["screening"]["pearson_iterative"]["largest_change"]
    assert f"pearson_iterative: 1 rejected, which changes a MOS by up to {change:.3f}" in text


def test_methods_contents_and_differences_from_the_reference_have_their_mos(panel):
    found = as_json(panel)
    assert [row["method"] for row in found["mos_by_method"]] == ["bicubic", "span", "rlfn"]
    assert [row["content"] for row in found["mos_by_content"]] == ["car", "bus", "sea", "sky"]
    dmos = {row["stimulus"]: row for row in found["dmos"]}
    assert dmos["car-ref"]["mos"] == 10
    assert dmos["car-span"]["reference"] == "car-ref"
    other = as_json(panel, "--dmos", "lower_is_better")
    lower = {row["stimulus"]: row["mos"] for row in other["dmos"]}
    assert lower["car-span"] == pytest.approx(10 - dmos["car-span"]["mos"])
    text, _ = analyse(panel, "--dmos", "lower_is_better")
    assert "(lower is better)" in text
    assert re.search(rf"car-span +{lower['car-span']:.3f} \+- ", text.partition("DMOS")[2])


def test_methods_are_compared_and_ranked(panel):
    found = as_json(panel)["comparison"]
    assert [row["method"] for row in found["methods"]] == ["rlfn", "span", "bicubic"]
    pair = found["pairs"][0]
    assert (pair["first"], pair["second"]) == ("rlfn", "span")
    assert pair["viewers"] == 10
    assert len(pair["per_content"]) == 4
    assert pair["p_t_holm"] >= pair["p_t"]
    assert found["power"]["comparisons"] == 3
    assert "Methods, best first" in analyse(panel)[0]


def test_rejected_viewers_can_be_left_out_of_comparisons_and_it_is_recorded(panel):
    everybody, screened = as_json(panel), as_json(panel, "--screened-by", "pearson_iterative")
    assert screened["settings"]["screened_by"] == "pearson_iterative"
    assert screened["comparison"]["pairs"][0]["viewers"] == 9
    assert (
        screened["comparison"]["methods"][0]["mos"] > everybody["comparison"]["methods"][0]["mos"]
    )
    assert screened["mos"] == everybody["mos"]


def test_metrics_are_judged_when_they_are_named(panel):
    found = as_json(panel, "--metric", "vmaf")
    vmaf = found["metrics"]["vmaf"]
    assert vmaf["mapping"]["cubic"]["n"] == 12
    assert vmaf["mapping"]["cubic"]["missing"] == 4  # the references
    assert vmaf["mapping"]["linear"]["plcc"] > 0.9
    assert vmaf["discrimination"]["pairs"] == 66
    assert set(vmaf["leave_one_content_out"]["rmse_by_content"]) == {"car", "bus", "sea", "sky"}
    assert found["metric_differences"] == []
    assert "Metric vmaf" in analyse(panel, "--metric", "vmaf")[0]


def test_two_metrics_are_compared_and_infinite_values_counted(panel):
    lines = panel.read_text().splitlines()
    psnr = [f"{line},{'inf' if '-ref' in line else line[-1]}" for line in lines[1:]]
    panel.write_text("\n".join([f"{lines[0]},psnr", *psnr]) + "\n")
    found = as_json(panel, "--metric", "vmaf", "--metric", "psnr")
    assert found["metrics"]["psnr"]["mapping"]["cubic"]["infinite"] == 4
    difference = found["metric_differences"][0]
    assert (difference["first"], difference["second"]) == ("vmaf", "psnr")
    assert difference["n"] == 12
    assert {"fisher", "williams", "meng", "zou_low", "p_williams_holm"} <= set(difference)
    assert set(difference["auc_better_worse"]) == {"difference", "z", "p"}


def test_a_mixed_model_is_fitted_when_asked_for(panel):
    pytest.importorskip("statsmodels", reason="statsmodels is optional")
    assert as_json(panel)["mixed_model"] is None
    found = as_json(panel, "--mixed-model")["mixed_model"]
    assert found["reference"] == "bicubic"
    assert found["methods"] == ["span", "rlfn"]
    assert found["effect"][0] > 1
    text, _ = analyse(panel, "--mixed-model")
    assert f"span                     {found['effect'][0]:+.3f} (" in text


def test_without_methods_there_is_nothing_to_compare_and_that_is_said(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text("subject,stimulus,score\nA,x,4\nB,x,4\nA,y,2\n")
    found = as_json(path)
    assert found["comparison"]["pairs"] == []
    assert "content and method" in found["comparison"]["warning"]


def test_the_same_file_and_seed_give_the_same_bytes(panel):
    assert analyse(panel, "--json") == analyse(panel, "--json")
    assert analyse(panel, "--json") != analyse(panel, "--json", "--seed", "1")


def test_bad_rows_stop_the_analysis_and_are_listed_by_line(panel, capsys):
    panel.write_text(panel.read_text() + "V1,car-span,12,car,span,0,\nV1,x,,,,,\n")
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="2 of 162 rows cannot be taken"):
        call_command("analyse", str(panel), "--json", stdout=out, stderr=err)
    assert [row["line"] for row in json.loads(out.getvalue())["bad_rows"]] == [162, 163]
    assert "line 162: score 12 is outside 0 to 10" in err.getvalue()


def test_bad_rows_can_be_left_out_and_stay_listed(panel):
    before = as_json(panel)
    panel.write_text(panel.read_text() + "V1,car-span,12,car,span,0,\n")
    found = as_json(panel, "--skip-bad-rows")
    assert found["mos"] == before["mos"]
    assert found["bad_rows"] == [{"line": 162, "problem": "score 12 is outside 0 to 10"}]


def test_the_report_names_columns_that_were_not_used(panel):
    assert "Not used: vmaf" in analyse(panel)[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "empty"), ("a,b\n1,2\n", "no column 'subject'"), (None, "Cannot read")],
)
def test_a_file_that_cannot_be_read_is_an_error_that_says_why(tmp_path, content, message):
    path = tmp_path / "scores.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CommandError, match=message):
        analyse(path, "--json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--column", "observer"], "maps nothing"),
        (["--column", "who=observer"], "NAME one of subject"),
        (["--lowest", "5", "--highest", "5"], "below --highest"),
        (["--delimiter", ";;"], "one character"),
        (["--delimiter", '"'], "no quotation mark"),
        (["--highest", "inf"], "lie between"),
        (["--lowest", "nan"], "lie between"),
        (["--seed=-1"], "0 or above"),
        (["--column", "score=score", "--column", "score=vmaf"], "maps a name twice"),
    ],
)
def test_options_that_make_no_sense_are_refused(panel, arguments, message):
    with pytest.raises(CommandError, match=message):
        analyse(panel, *arguments)


def test_a_scale_of_any_size_is_computed_without_a_complaint(tmp_path, recwarn):
    path = tmp_path / "wide.csv"
    rows = [
        f"{who},{what},{what}e{8 if who < 'C' else 2}" for who in "ABCD" for what in range(1, 10)
    ]
    path.write_text("subject,stimulus,score\n" + "\n".join(rows) + "\n")
    found = as_json(path, "--highest", "1e9")
    assert found["mos"][0]["mos"] == pytest.approx(50_000_050)
    assert not recwarn.list


def test_a_method_that_nobody_scored_is_shown_without_a_number(panel):
    lines = [line.split(",") for line in panel.read_text().splitlines()]
    for line in lines:
        line[2] = "NA" if line[4] == "span" else line[2]
    panel.write_text("\n".join(map(",".join, lines)))
    text, _ = analyse(panel, "--missing", "NA")
    assert re.search(r"car-span +none  n = 0", text)
    assert re.search(r"\n  span +none\s*\n", text)


def test_differences_that_cannot_be_made_are_warned_of(tmp_path):
    path = tmp_path / "references.csv"
    path.write_text(
        "subject,stimulus,score,content,is_reference\n"
        "A,r1,9,car,1\nA,r2,9,car,1\nA,x,4,car,0\nA,r3,9,,1\n"
    )
    found = as_json(path)
    assert found["dmos"] == []
    assert "No DMOS, for several references: content car." in found["warnings"]
    assert any("reference has no content" in one for one in found["warnings"])


@pytest.mark.parametrize("rows", ["A,x,4\n", "A,x,4\nB,x,4\n", "A,x,4\nA,y,4\n"])
def test_tiny_files_are_analysed_with_nulls_and_warnings(tmp_path, rows):
    path = tmp_path / "tiny.csv"
    path.write_text("subject,stimulus,score\n" + rows)
    found = as_json(path)
    assert found["mos"][0]["mos"] == 4
    assert any("asks for at least 9" in warning for warning in found["warnings"])
    assert not found["screening"]["pearson"]["applicable"]
    analyse(path)


def test_fewer_than_nine_before_and_after_screening_are_warned_of(panel):
    nine = [line for line in panel.read_text().splitlines() if not line.startswith("V1,")]
    panel.write_text("\n".join(nine) + "\n")
    warnings = as_json(panel)["warnings"]
    assert any("After screening (pearson_iterative) 8 viewers are left" in one for one in warnings)
    assert not any("viewers voted" in one for one in warnings)


def test_a_file_whose_votes_are_all_missing_is_analysed_too(tmp_path):
    path = tmp_path / "none.csv"
    path.write_text("subject,stimulus,score\nA,x,NA\nB,x,NA\n")
    found = as_json(path, "--missing", "NA")
    assert found["mos"][0]["mos"] is None
    assert found["missing"] == 2


def test_plain_data_has_no_number_that_json_lacks():
    assert plain({"a": np.array([1.0, math.nan]), "b": (np.int64(2), math.inf)}) == {
        "a": [1.0, None],
        "b": [2, None],
    }


def run(tmp_path, *arguments, **more):
    environment = {
        "PATH": os.environ["PATH"],
        "MIDGREY_DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
    }
    command = [sys.executable, "manage.py", "analyse", *arguments]
    more = {"stdout": subprocess.PIPE} | more
    return subprocess.run(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, timeout=120, **more
    )


def test_it_needs_no_database_and_reads_standard_input(panel, tmp_path):
    done = run(tmp_path, "-", "--json", input=panel.read_text())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 160


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_is_an_error_that_says_so(panel, tmp_path):
    with open("/dev/full", "w") as full:
        done = run(tmp_path, str(panel), "--json", stdout=full)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "CommandError: Cannot write to standard output: No space left on device."
    )


def test_a_reader_who_stops_early_ends_it_without_a_word(panel, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as broken:
        done = run(tmp_path, str(panel), "--json", stdout=broken)
    assert done.returncode == 128 + signal.SIGPIPE
    assert "Traceback" not in done.stderr
