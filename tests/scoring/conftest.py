"""A study with a full panel, and people who may or may not see it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.urls import reverse

from tests.factories import StudyFactory, make_panel, make_user


@pytest.fixture
def people(owner, colleague, stranger) -> SimpleNamespace:
    return SimpleNamespace(
        owner=owner,
        colleague=colleague,
        stranger=stranger,
        administrator=make_user("ada", "administrator"),
        nobody=make_user("nora"),
    )


@pytest.fixture
def empty_factory(people) -> StudyFactory:
    """Planned, nobody has voted."""
    factory = StudyFactory(people.owner)
    factory.study.members.add(people.colleague)
    return factory


@pytest.fixture
def factory(empty_factory) -> StudyFactory:
    """Nine good viewers, one who scored at random, and one who held the scale upside down."""
    panel = make_panel(9, V10="random", V11="reversed")
    empty_factory.run_session(panel)
    return empty_factory


@pytest.fixture
def study(factory):
    return factory.study


@pytest.fixture
def results_page(client, people):
    """The results page of the study as its owner asks for it."""

    def get(rule="", without=(), slug="first-look"):
        client.force_login(people.owner)
        query = ({"rule": rule} if rule else {}) | {"without": list(without)}
        response = client.get(reverse("scoring:results", args=[slug]), query)
        assert response.status_code == 200
        return response

    return get
