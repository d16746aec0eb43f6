"""What other programs take of the processors is told apart from what we take."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from panope_server.runtime.bench.background_load import BackgroundLoad
from panope_server.runtime.hardware.usage.processor_time import ProcessorTime


def test_the_share_of_others_is_what_neither_the_idle_nor_we_took(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter((ProcessorTime(10.0, 100.0, 4), ProcessorTime(20.0, 130.0, 4)))
    monkeypatch.setattr(ProcessorTime, "now", lambda: next(moments))
    own = iter((1.0, 1.0, 3.0, 9.0))  # this process's and the other's, before and after
    monkeypatch.setattr(psutil.Process, "children", lambda _, recursive: [])
    monkeypatch.setattr(psutil.Process, "cpu_times", lambda _: SimpleNamespace(user=next(own), system=0.0))
    assert BackgroundLoad(os.getpid()).share() == pytest.approx((30 - 10) / 40)


def test_the_work_of_the_process_that_is_measured_and_of_those_it_has_started_is_no_others() -> None:
    work = "import time\\nwhile time.process_time() < 1: pass\\nprint(flush=True)\\ninput()"
    program = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', '{work}'])"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as busy:
        background = BackgroundLoad(busy.pid)
        own_before = psutil.Process().cpu_times().user
        assert busy.stdout is not None
        busy.stdout.readline()
        own = background._own_seconds() - background._own
        busy.communicate(b"\n")
    theirs = own - (psutil.Process().cpu_times().user - own_before)
    assert 0.5 < theirs < 1.9, "most of its second, and once"
