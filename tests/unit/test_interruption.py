"""Signals that end a run."""

import os
import signal
import subprocess
import sys

import pytest

from meddino_components.interruption import Interrupted, ends_on_signal, exit_on_signal, restore_signals, signals_noted

STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGUSR1: 138}


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", STATUS)
def test_a_noted_signal_stops_nothing_until_it_is_asked_for(number):
    before = signal.getsignal(number)
    with signals_noted() as signals:
        assert signals.first is None
        send(number)
        send(signal.SIGTERM)
        assert signals.first == number
        with pytest.raises(Interrupted) as end, signals.raised():
            pytest.fail("a signal that came before counts")
    assert end.value.code == STATUS[number]
    assert signal.getsignal(number) == before


def test_a_signal_within_raised_comes_at_once():
    reached = False
    with signals_noted() as signals, pytest.raises(Interrupted), signals.raised():  # noqa: PT012
        send(signal.SIGTERM)
        reached = True
    assert not reached


def test_one_line_and_nested_runs(capsys):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted), ends_on_signal("outer"):  # noqa: PT012 - the inner one has to end before
        with ends_on_signal("inner"):
            pass
        send(signal.SIGINT)
    assert capsys.readouterr().err == "interrupted by SIGINT: outer\n"
    assert signal.getsignal(signal.SIGINT) == before


def test_noting_takes_over_from_exiting():
    before = signal.getsignal(signal.SIGTERM)
    exit_on_signal("not begun")
    with pytest.raises(Interrupted):
        send(signal.SIGTERM)
    restore_signals()
    exit_on_signal("not begun")
    with signals_noted() as signals:
        send(signal.SIGTERM)
        assert signals.first == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("number", STATUS)
def test_a_process_ends_with_the_usual_status_and_one_line(number):
    code = (
        "import os, signal\nfrom meddino_components.interruption import exit_on_signal\n"
        f"exit_on_signal('not begun')\nos.kill(os.getpid(), {int(number)})\nprint('went on')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout) == (STATUS[number], "")
    assert done.stderr == f"interrupted by {signal.Signals(number).name}: not begun\n"


def test_a_forked_worker_dies_by_sigterm_and_leaves_sigint_to_its_parent():
    with signals_noted() as signals:
        child = os.fork()
        if child == 0:
            send(signal.SIGINT)
            send(signal.SIGTERM)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGTERM
        assert signals.first is None
