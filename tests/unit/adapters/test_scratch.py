"""Files for the moment: nobody else's are touched, and those of the dead are removed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from safelight.adapters.scratch import Scratch


def test_what_a_killed_process_left_is_removed_and_a_living_one_keeps_its_own(tmp_path: Path) -> None:
    living = Scratch(tmp_path)
    living.path().write_bytes(b"kept")
    code = "import sys, time, pathlib, safelight.adapters.scratch as s\n"
    code += "x = s.Scratch(pathlib.Path(sys.argv[1])); x.path().write_bytes(b'left'); print('made', flush=True)\n"
    code += "time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"made\n"
        assert _contents(tmp_path) == [b"kept", b"left"]
        other.send_signal(signal.SIGKILL)
    third = Scratch(tmp_path)
    assert _contents(tmp_path) == [b"kept"]
    living.close()
    living.close()
    third.close()
    assert [entry for entry in tmp_path.iterdir() if entry.is_dir()] == []


def _contents(root: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in root.glob("*/*") if path.name != ".lock")
