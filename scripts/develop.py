"""Install this checkout into its virtual environment, editable, without asking any registry.

The same that `pip install --no-deps -e .` does, less the build backend, which `make run` does not need: a .pth file
that leads to src, and the `safelight` command.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = """#!{python}
import sys

from safelight.cli import main

sys.exit(main())
"""


def main() -> None:
    """Write both files; running it again changes nothing."""
    (Path(sysconfig.get_path("purelib")) / "safelight.pth").write_text(f"{ROOT / 'src'}\n")
    command = Path(sysconfig.get_path("scripts")) / "safelight"
    command.write_text(COMMAND.format(python=sys.executable))
    command.chmod(0o755)


main()
