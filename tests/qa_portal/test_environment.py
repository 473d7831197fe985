from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from qa_portal import environment


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(environment, "KNOWN", {})


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("MIDGREY_X", " ")
    assert environment.integer("MIDGREY_X", 7) == 7
    assert environment.boolean("MIDGREY_X", True) is True
    assert environment.words("MIDGREY_X", "a,b") == ["a", "b"]


@pytest.mark.parametrize("value", ["yes", "1", "on"])
def test_a_truth_that_is_neither_true_nor_false_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("MIDGREY_X", value)
    with pytest.raises(ImproperlyConfigured, match="MIDGREY_X"):
        environment.boolean("MIDGREY_X", False)


@pytest.mark.parametrize("value", ["ten", "1.5", "0"])
def test_a_bad_number_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("MIDGREY_X", value)
    with pytest.raises(ImproperlyConfigured, match="MIDGREY_X"):
        environment.integer("MIDGREY_X", 5, least=1)


def test_a_word_outside_the_choices_is_refused_with_the_choices(monkeypatch):
    monkeypatch.setenv("MIDGREY_X", "loud")
    with pytest.raises(ImproperlyConfigured, match="INFO, DEBUG"):
        environment.text("MIDGREY_X", "INFO", choices=("INFO", "DEBUG"))


def test_a_relative_folder_is_refused(monkeypatch):
    monkeypatch.setenv("MIDGREY_X", "data")
    with pytest.raises(ImproperlyConfigured, match="MIDGREY_X"):
        environment.folder("MIDGREY_X", Path("/x"), "/x")


def test_a_list_ignores_spaces_and_empty_parts(monkeypatch):
    monkeypatch.setenv("MIDGREY_X", " a.example , ,b.example")
    assert environment.words("MIDGREY_X") == ["a.example", "b.example"]


def test_a_private_folder_is_its_owners_alone_and_one_that_is_there_is_left(tmp_path):
    assert environment.private_folder(tmp_path / "media").stat().st_mode & 0o777 == 0o700
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o770)  # with the group of a second machine's workers, say
    assert environment.private_folder(tmp_path / "shared").stat().st_mode & 0o777 == 0o770


def test_a_folder_that_cannot_be_made_says_what_to_set(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(ImproperlyConfigured, match="or set MIDGREY_DATA_DIR"):
        environment.private_folder(tmp_path / "data" / "media")


def test_a_kept_secret_stays_the_same_and_is_private(tmp_path):
    path = tmp_path / "new folder" / "secret"
    first = environment.kept_secret(path)
    assert len(first) >= 50
    assert environment.kept_secret(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
