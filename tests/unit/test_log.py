"""Logs in a process of their own: `configure` is for the whole process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging, structlog
from safelight import log
log.configure("info", {form!r})
structlog.contextvars.bind_contextvars(user="usr_1")
structlog.get_logger().bind(connection="c1").info("hello", job="job_1")
logging.getLogger("somewhere").warning("said by %s", "another")
structlog.get_logger().debug("not told")
"""


def said(form: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(form=form)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stderr.splitlines()


@pytest.mark.parametrize("form", ["json", "auto"])
def test_where_a_machine_reads_each_record_is_a_line_of_json_with_what_was_bound(form: str) -> None:
    first, second = [json.loads(line) for line in said(form)]
    assert (first["event"], first["user"], first["connection"], first["job"]) == ("hello", "usr_1", "c1", "job_1")
    assert (second["event"], second["level"], second["user"]) == ("said by another", "warning", "usr_1")


def test_on_the_console_they_are_plain() -> None:
    first, second = said("console")
    assert "hello" in first
    assert "connection=c1" in first
    assert "said by another" in second
