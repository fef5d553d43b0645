"""`python -m benches [name …]`: run the benches, all or those named, and keep their figures in benches/results/."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ["jobs", "thumbnails", "ingest", "memory", "fanout", "signing", "broker"]
# Minutes long, and of no figure in the README: run when named.
NAMED = ["faults", "crowds", "browsers", "shown", "disasters", "scaling", "database", "uplink", "resume", "page"]
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Each bench in turn: a table to standard output, the same as JSON to a file of its name."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="name",
        help=f"of {', '.join(NAMES)}, which all run when none is given, or {', '.join(NAMED)}",
    )
    chosen = parser.parse_args().names or NAMES
    if unknown := set(chosen) - {*NAMES, *NAMED}:
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    RESULTS.mkdir(exist_ok=True)
    for name in chosen:
        print(f"\n{name}: measuring …", file=sys.stderr, flush=True)
        load_before = os.getloadavg()[0]
        figures = {"machine": _machine(), "load_before": round(load_before, 2), **_measure(name)}
        (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
        _print_table(name, figures)


def _measure(name: str) -> dict[str, Any]:
    figures: dict[str, Any] = importlib.import_module(f"benches.{name}").measure()
    return figures


def _machine() -> dict[str, Any]:
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _print_table(title: str, figures: dict[str, Any]) -> None:
    rows = list(_rows(figures))
    width = max(len(name) for name, _ in rows)
    print(f"\n{title}\n{'-' * len(title)}")
    for name, value in rows:
        print(f"{name:<{width}}  {value}")


def _rows(figures: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """One line a figure; a median stands together with its spread."""
    for name, value in figures.items():
        path = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict) and {"median", "min", "max"} <= value.keys():
            yield path, f"{value['median']}  ({value['min']} to {value['max']})"
        elif isinstance(value, dict):
            yield from _rows(value, f"{path} · ")
        else:
            yield path, str(value)


if __name__ == "__main__":
    main()
