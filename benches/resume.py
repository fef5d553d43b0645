"""Uploads that are interrupted, and go on: bytes counted by the server, in a real Chromium with a profile of its own.

For each interruption: the bytes of the files, those that arrived whole, those of the latter that had arrived before
(`sent_again`, must be 0) and those cut off in flight; photos lost, and photos whose stored bytes are not the file's.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import BrowserContext, Playwright, sync_playwright
from tests.e2e.browsing import FLAGS, NAMES, Tab, photos, visit
from tests.pictures import big_jpeg
from tests.received import received
from tests.running import Client, Server

MB = 1_000_000
PHOTOS = 1_000
PHOTO = 200_000
HUGE = 1_000 * MB
LARGE = 200 * MB
SOME = 300
PACE = 40 * MB
"""Bytes a second upwards, so that there is a middle to interrupt in."""
OFFLINE = 60.0
ASLEEP = 80.0
"""Seconds; URLs live for 60."""
PATIENCE = 900.0
RESULTS = Path(__file__).parent / "results" / "resume.json"
CHOSEN = tuple(os.environ.get("RESUME", "").split(","))


@dataclass
class Case:
    """One folder on its way to one server, in one profile."""

    playwright: Playwright
    server: Server
    person: Client
    folder: Path
    profile: Path
    context: BrowserContext = field(init=False)
    tab: Tab = field(init=False)

    def open(self) -> None:
        """Open the browser on the profile, the page in it."""
        named = os.environ.get("SAFELIGHT_BROWSER") or next((p for n in NAMES if (p := shutil.which(n))), None)
        self.context = self.playwright.chromium.launch_persistent_context(
            str(self.profile), executable_path=named, args=FLAGS, viewport={"width": 1280, "height": 800}
        )
        self.tab = Tab(self.context)

    def reopen(self) -> None:
        """The page again, signed in as before."""
        self.tab = Tab(self.context)
        self.tab.page.goto(self.server.url)
        self.tab.page.get_by_role("button", name="Add photos").first.wait_for()

    def halfway(self) -> None:
        """Drop the folder, and come back when half of its bytes have arrived."""
        half = self.size // 2
        line = self.tab.throttle(PACE)
        self.tab.drop(self.folder)
        self.tab.until(lambda: received(self.server).whole >= half, "half of the bytes", PATIENCE)
        line.detach()

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def processes(self) -> list[int]:
        """The processes of this browser, the first one first."""
        mark = f"--user-data-dir={self.profile}".encode()
        running = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return sorted(int(entry.name) for entry in running if mark in _command(entry))


def measure() -> dict[str, Any]:
    """The account of each interruption. RESUME names some alone, by how they begin; the others' figures stay."""
    cases: dict[str, tuple[Callable[[Case], None], int, int, dict[str, str]]] = {
        "tab_closed_1000_photos": (tab_closed, PHOTOS, 0, {}),
        "tab_closed_1_gb": (tab_closed, 0, HUGE, {}),
        "browser_killed": (browser_killed, SOME, LARGE, {}),
        "server_killed": (server_killed, SOME, LARGE, {}),
        "network_off_60_s": (network_off, SOME, LARGE, {}),
        "asleep_past_url_expiry": (asleep, SOME, LARGE, {"url_minutes": "1"}),
        "edited_meanwhile": (edited, SOME, LARGE, {}),
        "dropped_in_another_profile": (another_profile, SOME, LARGE, {}),
        "known_1000_photos_in_another_profile": (known, PHOTOS, 0, {}),
    }
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found = {name: kept[name] for name in cases if name in kept and not name.startswith(CHOSEN)}
    with sync_playwright() as playwright:
        for name, (interrupt, small, large, settings) in cases.items():
            if not name.startswith(CHOSEN):
                continue
            print(f"  {name} …", file=sys.stderr, flush=True)
            with _case(playwright, small, large, settings) as case:
                began = time.perf_counter()
                visit(case.tab.page, case.server.url, case.person)
                interrupt(case)
                found[name] = _account(case)
                found[name]["seconds"] = round(time.perf_counter() - began, 1)
                found[name]["when"] = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime())
    found["holds"] = {
        "no_byte_that_had_arrived_was_sent_again": not any(each["sent_again_bytes"] for each in found.values()),
        "no_photo_lost": not any(each["lost"] for each in found.values()),
        "every_photo_stored_as_the_file_is": not any(each["otherwise"] for each in found.values()),
    }
    return found


# --- the interruptions ---


def tab_closed(case: Case) -> None:
    """The tab is closed at half; the page opened again goes on by one click. Another tab keeps the leave to read."""
    case.context.new_page().goto(case.server.url)
    case.tab.page.bring_to_front()
    case.halfway()
    case.tab.page.close(run_before_unload=False)
    case.reopen()
    case.tab.page.get_by_role("button", name="Resume ").click()


def browser_killed(case: Case) -> None:
    """kill -9 of every process of the browser; the folder is dropped again in the same profile."""
    case.halfway()
    for pid in case.processes():
        os.kill(pid, signal.SIGKILL)
    case.open()
    case.reopen()
    case.tab.drop(case.folder)


def server_killed(case: Case) -> None:
    """kill -9 of the server, which is started again."""
    case.halfway()
    case.server.kill()
    case.server.start()


def network_off(case: Case) -> None:
    """The browser has no network for a minute."""
    case.halfway()
    devtools = case.tab.devtools()
    devtools.send("Network.enable")
    for offline in (True, False):
        limits = {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        devtools.send("Network.emulateNetworkConditions", limits)
        if offline:
            case.tab.page.wait_for_timeout(OFFLINE * 1000)


def asleep(case: Case) -> None:
    """The browser is stopped, as by a laptop's lid, until all URLs that it holds have expired."""
    case.halfway()
    stopped = case.processes()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(ASLEEP)  # the sleep is what is shown
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)


def edited(case: Case) -> None:
    """The tab is closed; the large file and ten photos change; the folder is dropped again."""
    case.halfway()
    case.tab.page.close(run_before_unload=False)
    settled = -1
    while settled != (settled := received(case.server).whole):
        time.sleep(8)  # what has arrived whole is sealed by the server in 5 seconds: those photos are done
    unsent = [photo for photo in _photos(case) if photo["status"] in {"QUEUED", "UPLOADING"}][:11]
    chosen = [case.folder / photo["filename"] for photo in unsent]
    for number, path in enumerate(chosen):
        path.write_bytes(big_jpeg(path.stat().st_size, seed=100_000 + number))
    case.reopen()
    case.tab.drop(case.folder)
    case.tab.page.get_by_text("changed since").wait_for(timeout=60_000)
    # What was begun of the old files is the person's to give up.
    for photo in unsent:
        case.person.post(f"/commands/upload/{photo['photoId']}/cancel").raise_for_status()


def another_profile(case: Case) -> None:
    """The tab is closed; the folder is dropped in a browser that knows nothing of it."""
    case.halfway()
    case.context.close()
    case.profile = case.profile.with_name("another")
    case.open()
    visit(case.tab.page, case.server.url, case.person)
    case.tab.drop(case.folder)


def known(case: Case) -> None:
    """All are in the library; the folder is dropped in a browser that knows nothing of it."""
    case.tab.drop(case.folder)
    case.tab.until_counts(PATIENCE, Completed=PHOTOS, Active=0)
    case.context.close()
    case.profile = case.profile.with_name("another")
    case.open()
    visit(case.tab.page, case.server.url, case.person)
    case.tab.drop(case.folder)
    case.tab.until_counts(PATIENCE, All=PHOTOS, Completed=PHOTOS)


# --- what all have in common ---


@contextmanager
def _case(playwright: Playwright, small: int, large: int, settings: dict[str, str]) -> Iterator[Case]:
    with ExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory()))
        folder = photos(root / "trip", [big_jpeg(PHOTO, seed=number) for number in range(small)])
        if large:
            photos(folder, [big_jpeg(large, seed=99_999)], name="large")
        server = Server(root / "server", {"log_level": "debug", **settings}).start()
        stack.callback(server.kill)
        person = stack.enter_context(server.client())
        case = Case(playwright, server, person, folder, root / "profile")
        case.open()
        yield case
        case.context.close()


def _photos(case: Case) -> list[dict[str, Any]]:
    """Every photo of every job of this person, the oldest first."""
    jobs = case.person.get("/queries/upload-jobs").json()["items"]
    return [photo for job in reversed(jobs) for photo in case.person.job(job["jobId"])["photos"]]


def _account(case: Case) -> dict[str, Any]:
    """Once every photo has ended."""

    def ended() -> bool:
        return all(photo["status"] in {"COMPLETED", "FAILED", "CANCELLED"} for photo in _photos(case))

    files = sorted(case.folder.iterdir())
    case.tab.until(lambda: len(_photos(case)) >= len(files) and ended(), "the end of all", PATIENCE)
    found = _photos(case)
    complete = {photo["filename"] for photo in found if photo["status"] == "COMPLETED"}
    account = received(case.server)
    hashes = _hashes(case, files)
    return {
        "files": len(files),
        "bytes": case.size,
        "arrived_bytes": account.whole,
        "sent_again_bytes": account.again,
        "cut_off_bytes": account.in_part,
        "photos": len(found),
        "not_sent_again": sum(bool(photo.get("duplicateOf")) for photo in found),
        "given_up": sum(photo["status"] == "CANCELLED" for photo in found),
        "failed": sum(photo["status"] == "FAILED" for photo in found),
        "lost": sum(path.name not in complete for path in files),
        "otherwise": sum(_sha256(path) not in hashes.get(path.name, set()) for path in files),
    }


def _hashes(case: Case, files: list[Path]) -> dict[str, set[str]]:
    """By name, what the server found when it read the stored bytes again."""
    found: dict[str, set[str]] = {}
    named = [{"filename": path.name, "bytes": path.stat().st_size} for path in files]
    for start in range(0, len(named), 1_000):
        answer = case.person.post("/queries/photos/known", json={"files": named[start : start + 1_000]}).json()
        for item in answer["items"]:
            found.setdefault(item["filename"], set()).add(item["contentHash"])
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""  # it ended while we looked
