import json
import logging

from qa_portal.logs import JsonLines, ShortLines


def record(**extra):
    logger = logging.getLogger("midgrey.test")
    return logger.makeRecord(
        "midgrey.test", logging.WARNING, "x.py", 1, "job %s is lost", (7,), None, extra=extra
    )


def test_a_line_is_json_with_message_process_and_extras():
    entry = json.loads(JsonLines("worker-cpu").format(record(job=7, clip="bikes")))
    assert entry["message"] == "job 7 is lost"
    assert entry["level"] == "WARNING"
    assert entry["process"] == "worker-cpu"
    assert entry["job"] == 7 and entry["clip"] == "bikes"
    assert entry["time"].endswith("+00:00")


def test_an_extra_that_json_does_not_know_becomes_text():
    assert json.loads(JsonLines("web").format(record(path={1, 2})))["path"] == "{1, 2}"


def test_a_traceback_stays_within_its_line():
    try:
        raise ValueError("broken")
    except ValueError as error:
        broken = record()
        broken.exc_info = (ValueError, error, error.__traceback__)
    line = JsonLines("web").format(broken)
    assert "\n" not in line
    assert "ValueError: broken" in json.loads(line)["traceback"]


def test_the_console_shows_one_short_line():
    line = ShortLines("web").format(record())
    assert line.endswith(" web WARNING: job 7 is lost") and "\n" not in line
