"""Reading raw scores from elsewhere: what is taken, what is refused, and with which line number."""

import numpy as np
import pytest

from scoring.raw_scores import Format, RawScoresError, natural, read_scores


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes):
        path = tmp_path / "scores.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def bad(scores):
    return [(row.line, row.problem) for row in scores.bad_rows]


def test_votes_come_in_the_order_of_stimuli_and_of_subjects_names(write):
    scores = read_scores(write("subject,stimulus,score\nV10,b,1\nV2,b,2\nV2,a,3.5\nV10,a,4\n"))
    assert scores.stimuli == ("b", "a")
    assert scores.subjects == ("V2", "V10")
    np.testing.assert_array_equal(scores.votes[:, :, 0], [[2, 1], [3.5, 4]])
    assert scores.rows == 4
    assert not scores.bad_rows


def test_other_spellings_are_mapped_and_what_is_not_used_is_named(write):
    path = write("Observer;PVS;note;OS;psnr\nA;x;hm;4;31.5\n")
    scores = read_scores(
        path,
        Format(
            columns={"subject": "Observer", "stimulus": "PVS", "score": "OS"},
            metrics=["psnr"],
            delimiter=";",
        ),
    )
    assert scores.votes.tolist() == [[[4.0]]]
    assert scores.metrics["psnr"].tolist() == [31.5]
    assert scores.ignored_columns == ("note",)


def test_facts_about_a_stimulus_are_taken_once_and_contradictions_are_bad_rows(write):
    scores = read_scores(
        write(
            "subject,stimulus,score,content,method,is_reference,vmaf\n"
            "A,x,4,car,span,0,91\n"
            "B,x,5,car,span,no,91.0\n"
            "C,x,5,bus,span,0,91\n"
            "D,x,5,car,span,1,91.5\n"
            "A,r,9,car,,TRUE,\n"
            "B,r,9,car,,maybe,\n"
            "C,r,9,car,,TRUE,high\n"
            "D,r,9,car,,TRUE,1e308\n"
        ),
        Format(metrics=["vmaf"]),
    )
    assert scores.content == ("car", "car")
    assert scores.method == ("span", "")
    assert scores.is_reference == (False, True)
    np.testing.assert_array_equal(scores.metrics["vmaf"], [91, np.nan])
    assert bad(scores) == [
        (4, "content 'bus' where line 2 has 'car' for this stimulus"),
        (
            5,
            "is_reference '1' where line 2 has '0' for this stimulus; "
            "metric vmaf '91.5' where line 2 has '91' for this stimulus",
        ),
        (7, "is_reference 'maybe' is neither 1 nor 0"),
        (8, "metric vmaf 'high' is not a number"),
        (9, "metric vmaf 1e308 is beyond 1e+100"),
    ]


def test_bad_rows_are_listed_with_their_lines(write):
    scores = read_scores(
        write(
            "subject,stimulus,score\n"
            'A,"a name\nover two lines",4\n'
            "A,x,eleven\n"
            "A,y,11\n"
            "A,z,\n"
            ",z,3\n"
            "A,z,nan\n"
            'A,z,"4,5"\n'
            "A,z\n"
            "\n"
            "B,x,-1\n"
            'A,"another\nname",12\n'
            "A,z,1_0\n"
        )
    )
    assert bad(scores) == [
        (4, "score 'eleven' is not a number"),
        (5, "score 11 is outside 0 to 10"),
        (6, "no score; leave a missing vote out, or name what stands for it: --missing NA"),
        (7, "no subject"),
        (8, "score 'nan' is not a finite number"),
        (9, "score '4,5' is not a number; decimals take a point"),
        (10, "2 fields where the header has 3"),
        (12, "score -1 is outside 0 to 10"),
        (13, "score 12 is outside 0 to 10"),  # where the row begins
        (15, "score '1_0' is not a number"),  # though Python takes it for 10
    ]
    assert scores.rows == 11


def test_of_two_votes_for_the_same_both_are_bad_for_neither_is_known_to_be_right(write):
    scores = read_scores(write("subject,stimulus,score\nA,x,4\nB,x,5\nA,x,6\n"))
    assert bad(scores) == [
        (2, "A scored x twice; the other vote is in line 4"),
        (4, "A scored x twice; the other vote is in line 2"),
    ]
    np.testing.assert_array_equal(scores.votes[:, :, 0], [[np.nan, 5]])


def test_of_many_votes_for_the_same_a_few_lines_are_named(write):
    # A column mapped by mistake would else fill the memory with line numbers.
    scores = read_scores(write("subject,stimulus,score\n" + "A,x,4\n" * 6))
    assert bad(scores)[0] == (2, "A scored x 6 times; other votes are in lines 3, 4, 5, ...")
    assert bad(scores)[5] == (7, "A scored x 6 times; other votes are in lines 2, 3, 4, ...")


def test_repetitions_are_apart_whatever_they_are_called(write):
    scores = read_scores(
        write(
            "subject,stimulus,repetition,score\n"
            "A,x,first,4\nA,x,second,6\nA,y,17,1\nA,y,9,2\nB,y,9,3\nB,y,9,3\n"
        )
    )
    np.testing.assert_array_equal(scores.votes[0, 0], [4, 6])
    np.testing.assert_array_equal(scores.votes[1, 0], [2, 1])
    assert [line for line, _ in bad(scores)] == [6, 7]


def test_a_text_that_stands_for_a_missing_vote_is_no_bad_row_when_named(write):
    path = write("subject,stimulus,score\nA,x,4\nB,x,NA\nB,y,NA\n")
    assert [line for line, _ in bad(read_scores(path))] == [3, 4]
    scores = read_scores(path, Format(missing=["NA"]))
    assert not scores.bad_rows
    assert scores.missing == 2
    assert scores.subjects == ("A", "B")
    assert scores.stimuli == ("x", "y")
    assert np.isnan(scores.votes[:, 1]).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is empty"),
        (b" \n\n", "The file is empty"),
        (b"\xef\xbb\xbf", "The file is empty"),
        (b"subject,stimulus,score\n", "a header and no rows"),
        (b"subject,pvs,score\nA,x,4\n", "no column 'stimulus'. The header has: 'subject', 'pvs'"),
        (b"subject;stimulus;score\nA;x;4\n", "--delimiter ';'"),
        (b"subject,stimulus,score,score\nA,x,4,4\n", "names a column twice: score"),
        ("subject,stimulus,score\nA,x,4\nB,früh,3\n".encode("latin-1"), "Line 3 is not utf-8"),
        ("subject,stimulus,score\nA,x,4\n".encode("utf-16"), "Line 1 is not utf-8: byte 0xff"),
        (b'subject,stimulus,score\nA,x,4\nA,"y,4\nA,z,4\n', "begins in line 3 is no CSV"),
        (b'subject,stimulus,score\nA,"x" 1,4\n', "a quotation mark that is not closed"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(write, content, message):
    with pytest.raises(RawScoresError) as caught:
        read_scores(write(content))
    assert message in str(caught.value)


def test_a_mapping_to_a_column_that_is_not_there_is_refused(write):
    with pytest.raises(RawScoresError, match="no column 'clip'"):
        read_scores(write("subject,stimulus,score\nA,x,4\n"), Format(columns={"content": "clip"}))


@pytest.mark.parametrize("form", [Format({"subject": "stimulus"}), Format(metrics=["score"])])
def test_a_column_has_one_meaning(write, form):
    with pytest.raises(RawScoresError, match="at once: map each to a column of its own"):
        read_scores(write("subject,stimulus,score\nA,x,4\n"), form)


@pytest.mark.parametrize("encoding", ["klingon", "base64"])
def test_an_encoding_that_is_none_is_refused(write, encoding):
    with pytest.raises(RawScoresError, match=f"no encoding '{encoding}'"):
        read_scores(write("subject,stimulus,score\nA,x,4\n"), Format(encoding=encoding))


def test_an_encoding_that_is_not_for_files_is_refused(write):
    with pytest.raises(RawScoresError, match="The file is not punycode"):
        read_scores(write("subject,stimulus,score\nA,x,4\n"), Format(encoding="punycode"))


def test_files_of_spreadsheets_are_read(write):
    path = write("\ufeffsubject,stimulus,score\r\nA,x,4\r\n")
    assert read_scores(path).votes.tolist() == [[[4.0]]]
    path = write("subject,stimulus,score\nA,früh,3\n".encode("latin-1"))
    assert read_scores(path, Format(encoding="latin-1")).stimuli == ("früh",)
    path = write("\n,subject,stimulus,score,\n1,A,x,4,\n")  # a blank line, columns without name
    assert read_scores(path).ignored_columns == ("", "")


def test_names_sort_as_people_count():
    assert sorted(["V10", "V2", "a1", "V2b"], key=natural) == ["V2", "V2b", "V10", "a1"]
    assert sorted(["V" + "1" * 5000, "V2"], key=natural)[0] == "V2"
