"""What is printed beside results: progress, on a terminal only, and warnings; neither where quiet is asked for."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from eomsym.cli import main, output

ROOT = Path(__file__).parents[2]
WORK = """
import logging, sys, time
from eomsym.cli import output
output.set_quiet({quiet})
output.PATIENCE = 0.2
with output.progress("measuring") as progress:
    logging.getLogger("eomsym").info({told!r}) if {told!r} else None
    time.sleep({seconds})
    if progress:
        progress(1, 4)
        time.sleep({seconds})
print("the result")
"""


def on_a_terminal(seconds=0.5, quiet=False, told="", **environment):
    """(stdout, stderr) of work that takes so long, with stderr a terminal."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", WORK.format(quiet=quiet, seconds=seconds, told=told)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80", **environment},
        check=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(ours)
    return done.stdout.decode(), shown.decode()


def test_long_work_shows_its_progress_on_a_terminal():
    out, err = on_a_terminal()
    assert out == "the result\n"
    assert "measuring" in err
    assert "25%" in err
    assert err.rstrip().endswith("\x1b[2K"), "the bar is wiped off in the end"


def test_short_work_shows_none():
    assert on_a_terminal(seconds=0) == ("the result\n", "")


def test_quiet_shows_none():
    assert on_a_terminal(quiet=True, told="[about] 7 s") == ("the result\n", "")


def test_what_the_package_logs_stands_above_the_bar():
    out, err = on_a_terminal(told="[about] 7 s")
    assert out == "the result\n"
    assert "eomsym: [about] 7 s" in err


def test_no_color_takes_the_colours_off():
    colour = "\x1b[38;"
    plain = {name: "" for name in ("NO_COLOR", "FORCE_COLOR") if name in os.environ}
    assert colour in on_a_terminal(COLORTERM="truecolor", **plain)[1]
    assert colour not in on_a_terminal(COLORTERM="truecolor", **plain, NO_COLOR="1")[1]


def test_in_a_pipe_there_is_a_line_now_and_then(capsys, monkeypatch):
    with output.progress("measuring") as progress:
        progress(1, 4)
        assert capsys.readouterr() == ("", "")
        monkeypatch.setattr(output, "BETWEEN_LINES", 0)
        progress(2, 4)
        assert capsys.readouterr() == ("", "eomsym: measuring: 2 of 4\n")
    with output.progress("") as progress:
        progress(3, 4, "jobs")
    assert capsys.readouterr() == ("", "eomsym: jobs: 3 of 4\n")


@pytest.mark.parametrize(("quiet", "err"), [(False, "eomsym: warning: mind\n"), (True, "")])
def test_warnings(capsys, quiet, err):
    output.set_quiet(quiet)
    output.warn("mind")
    output.set_quiet(False)
    assert capsys.readouterr() == ("", err)


@pytest.mark.parametrize(("closed", "status"), [(">&-", 2), ("2>&-", 0), (">&- 2>&-", 2)])
def test_closed_streams(closed, status, tmp_path):
    """What is told on stderr is lost with it, a result is not; without stdout nothing can be done, in one line."""
    command = f"{sys.executable} -m eomsym derive --order 2 {closed}"
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert ("ξ_1 = 1/3 g'g'g" in done.stdout) == (status == 0)
    said = "eomsym: standard output is closed; give it a file or /dev/null\n"
    assert done.stderr == (said if closed == ">&-" else "")


@pytest.mark.parametrize(
    ("of_the_api", "printed"),
    [
        ("begin after some steps (after=5), or", "begin after some steps (--after 5), or"),
        ("after 5: give state='whole' too", "--after 5: give --state whole too"),
        ("take a smaller eta, or state='shadow'", "take a smaller eta, or --state shadow"),
        ("theta 'x': no; take theta='y'", "theta 'x': no; take theta='y'"),
        ("optimizer 'x': write it as torch.SGD(after=1/2)", "optimizer 'x': write it as torch.SGD(after=1/2)"),
        ("beta = 1: no; give batch_size=3", "beta = 1: no; give --batch-size 3"),
    ],
)
def test_messages_name_options_as_the_command_line_spells_them(monkeypatch, of_the_api, printed):
    monkeypatch.setattr(output, "options", {"--after", "--state", "--batch-size"})
    assert output.spelled(of_the_api) == printed


def test_messages_outside_a_command_name_no_options():
    assert main(["derive", "--order", "-1"]) == 2
    assert output.spelled("order 1: path: left") == "order 1: path: left"
