"""The dataset for sureal, read back by the rules that sureal's own reader states."""

import json
from argparse import Namespace
from collections import defaultdict

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from scoring.results import Results
from sessions_app.models import Vote


def exported(study, folder):
    call_command("export_mos", study.slug, "--sureal", "-o", str(folder))
    return Namespace(**json.loads((folder / "sureal.json").read_text()))  # as sureal loads JSON


def opinion_scores(dataset):
    """Videos by observers by repetitions, after sureal's documented form of a dataset."""
    observers = sorted({name for video in dataset.dis_videos for name in video["os"]})
    lists = [
        [np.atleast_1d(video["os"].get(name, [])) for name in observers]
        for video in dataset.dis_videos
    ]
    scores = np.full(
        (len(lists), len(observers), max(len(o) for row in lists for o in row)), np.nan
    )
    for j, row in enumerate(lists):
        for i, own in enumerate(row):
            scores[j, i, : len(own)] = own
    return observers, scores


def test_the_dataset_is_one_that_sureal_accepts(study, tmp_path):
    dataset = exported(study, tmp_path)
    contents = [video["content_id"] for video in dataset.ref_videos]
    assert contents == list(range(len(contents)))
    assert all({"content_name", "path"} <= set(video) for video in dataset.ref_videos)
    assert all(video["content_id"] in contents for video in dataset.dis_videos)
    assets = [video["asset_id"] for video in dataset.dis_videos]
    assert len(set(assets)) == len(assets) == 12
    assert len({video["path"] for video in dataset.dis_videos}) == 12
    assert all(isinstance(video["os"], dict) and video["os"] for video in dataset.dis_videos)
    assert dataset.ref_score == 10


def test_the_counted_votes_come_back_from_it_each_once(study, tmp_path):
    dataset = exported(study, tmp_path)
    cast = defaultdict(list)
    for vote in Vote.objects.filter(showing__cell__kind="test", showing__valid=True).select_related(
        "showing__cell", "seat__viewer"
    ):
        cell = vote.showing.cell
        cast[cell.a_id if vote.slot == "A" else cell.b_id, vote.seat.viewer.code].append(vote.score)
    told = {
        (video["pvs"], viewer): sorted(np.atleast_1d(scores).tolist())
        for video in dataset.dis_videos
        for viewer, scores in video["os"].items()
    }
    assert told == {key: sorted(scores) for key, scores in cast.items()}


def test_from_it_the_same_mos_is_computed(study, tmp_path):
    results = Results(study)
    observers, scores = opinion_scores(exported(study, tmp_path))
    assert observers == results.viewers
    mos = np.nanmean(np.nanmean(scores, axis=2), axis=1)
    np.testing.assert_allclose(mos, results.analysis.answer().mos.mos, rtol=1e-12)


def test_sureal_itself_reads_it_where_it_is_installed(study, tmp_path):
    reader = pytest.importorskip("sureal.dataset_reader")
    found = reader.RawDatasetReader(exported(study, tmp_path))
    np.testing.assert_array_equal(
        np.nanmean(found.opinion_score_3darray, axis=2), Results(study).scores
    )


def test_without_votes_there_is_no_dataset_and_no_file(empty_factory, tmp_path):
    with pytest.raises(CommandError, match="Nobody has voted"):
        exported(empty_factory.study, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_it_goes_to_standard_output_too(study, capsysbinary):
    call_command("export_mos", study.slug, "--sureal", "-o", "-")
    assert json.loads(capsysbinary.readouterr().out)["dataset_name"] == "first-look"
