"""A study's counted votes as a dataset of sureal, Netflix' program for subjective scores.

The form is that of its test_dataset_os_as_dict_with_repetitions: a viewer who scored a PVS in
several cells has a list there. PVSs nobody scored are left out, for sureal has no word for them.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from scoring.formats import Opener
from scoring.results import Results
from scoring.stats.matrix import FloatArray

FILE_NAME = "sureal.json"


class NothingToExport(Exception):
    """Without votes there is no such dataset."""


def sureal_dataset(results: Results) -> dict[str, Any]:
    scored = [
        (stimulus, votes)
        for stimulus, votes in zip(results.stimuli, results.raw_scores.votes, strict=True)
        if not np.isnan(votes).all()
    ]
    if not scored:
        raise NothingToExport("Nobody has voted in a counted cell yet, and sureal needs votes.")
    content = {name: k for k, name in enumerate(dict.fromkeys(one.source for one, _ in scored))}
    return {
        "dataset_name": results.study.slug,
        "ref_score": results.study.protocol.scale.highest,
        "ref_videos": [
            {"content_id": k, "content_name": name, "path": name} for name, k in content.items()
        ],
        "dis_videos": [
            {
                "content_id": content[stimulus.source],
                "asset_id": asset,
                "path": stimulus.name,
                "pvs": stimulus.pvs,
                "os": _opinions(results.viewers, votes),
            }
            for asset, (stimulus, votes) in enumerate(scored)
        ],
    }


def write_sureal(results: Results, open_file: Opener) -> None:
    dataset = sureal_dataset(results)
    with open_file(FILE_NAME) as file:
        file.write(json.dumps(dataset, ensure_ascii=False, indent=1).encode())


def _opinions(viewers: list[str], votes: FloatArray) -> dict[str, int | list[int]]:
    """Per viewer a score, or the scores of all presentations; none for who did not score it."""
    opinions: dict[str, int | list[int]] = {}
    for viewer, own in zip(viewers, votes, strict=True):
        scores = [int(score) for score in own[~np.isnan(own)]]
        if scores:
            opinions[viewer] = scores if len(scores) > 1 else scores[0]
    return opinions
