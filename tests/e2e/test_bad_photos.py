"""Bad input on the page: each row says in the API's words what is wrong, and the other photos of the job arrive."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect
from tests.e2e.browsing import Tab
from tests.http.test_bad_input import DECODED
from tests.pictures import big_jpeg, jpeg
from tests.running import Server

MiB = 1024 * 1024
Open = Callable[..., Tab]
Start = Callable[..., Server]

# What a file may be called on a disk, and how the page and the library call it.
NAMES = {
    "bell\x07and\nline.jpg": "bellandline.jpg",
    "🌅 dawn 👩‍🚀.jpg": "🌅 dawn 👩‍🚀.jpg",
    "שלום עולם.jpg": "שלום עולם.jpg",
    "gpj.\u202eexe.jpg": "gpj.exe.jpg",
    "ä" * 125 + ".jpg": "ä" * 125 + ".jpg",
}


def _rows(tab: Tab) -> dict[str, str]:
    """What each row of the panel's present tab says, by file name."""
    rows = tab.page.locator(".row").all()
    return {row.locator(".row-name").inner_text(): row.locator(".row-words").inner_text() for row in rows}


def _as_the_api_tells_it(server: Server, tab: Tab) -> list[dict[str, Any]]:
    """The photos of the tab's only job."""
    token = json.loads(tab.page.evaluate("localStorage.getItem('safelight.session')"))["token"]
    with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {token}"}) as client:
        (listed,) = client.get("/queries/upload-jobs").json()["items"]
        photos: list[dict[str, Any]] = client.get(f"/queries/upload-jobs/{listed['jobId']}").json()["photos"]
    return photos


def test_what_is_no_sound_photo_fails_alone_and_says_why(start: Start, open_tab: Open, tmp_path: Path) -> None:
    server, tab = start(), open_tab(viewport={"width": 1280, "height": 1400})
    tab.sign_in(server)
    folder = tmp_path / "mixed"
    folder.mkdir()
    codes = {}
    for number, (_, name, data, code) in enumerate(DECODED):
        codes[f"{number}-{name}"] = code
        (folder / f"{number}-{name}").write_bytes(data)
    (folder / "empty.jpg").touch()
    (folder / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    with (folder / "sparse.jpg").open("wb") as huge:
        os.truncate(huge.fileno(), 6_000 * MiB)
    codes |= {"empty.jpg": "empty-file", "film.mp4": "unsupported-type", "sparse.jpg": "file-too-large"}
    for seed, name in enumerate(NAMES):
        (folder / name).write_bytes(jpeg(seed=seed))
    tab.drop(folder)
    tab.until_counts(Completed=len(NAMES), Failed=len(codes), Active=0)

    tab.page.get_by_role("tab", name=re.compile("Failed")).click()
    expect(tab.page.locator(".row")).to_have_count(len(codes))
    photos = _as_the_api_tells_it(server, tab)
    failed = {photo["filename"]: photo for photo in photos if photo["status"] == "FAILED"}
    assert {name: photo["errorCode"] for name, photo in failed.items()} == codes
    assert _rows(tab) == {name: photo["errorMessage"] for name, photo in failed.items()}
    assert {photo["filename"] for photo in photos if photo["status"] == "COMPLETED"} == set(NAMES.values())
    # Nothing of this gets better by repeating it.
    expect(tab.page.get_by_role("button", name=re.compile("^Retry"))).to_have_count(0)


# A fault of the line between page and server, made where the browser hands over the request: `tamper` changes a PUT's
# body, its URL, or the body of finalize.
TAMPER = """
const { open, send } = XMLHttpRequest.prototype;
XMLHttpRequest.prototype.open = function (method, url, ...more) {
  this.isPut = method === 'PUT';
  return open.call(this, method, this.isPut ? tamper.url(String(url)) : url, ...more);
};
XMLHttpRequest.prototype.send = function (body) { return send.call(this, this.isPut ? tamper.body(body) : body); };
const { fetch } = window;
window.fetch = (url, options) =>
  fetch(url, /finalize$/.test(url) ? { ...options, body: tamper.finalize(options.body) } : options);
"""
UNTOUCHED = "url: (url) => url, body: (body) => body, finalize: (body) => body"
FAULTS = {
    "fewer bytes than declared": ("body: (body) => body.slice(1)", r"The body has .* bytes, but [\d,]+ were declared"),
    "more bytes than declared": ("body: (body) => new Blob([body, 'x'])", r"bytes, but [\d,]+ were declared"),
    "bytes changed on their way": (
        "body: (body) => new Blob(['!', body.slice(1)])",
        "The bytes that arrived differ from the file, three times in a row",
    ),
    "an altered signature": ("url: (url) => url + '0'", "signature"),
    "a wrong ETag": (
        "finalize: (body) => body.replace(/(\"etag\":\")[^\"]+/, '$1' + '00000000')",
        "The parts named do not match",
    ),
    "malformed JSON": ("finalize: () => '{'", "not valid JSON"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_on_the_way_is_told_on_the_row_and_a_retry_mends_it(
    start: Start, open_tab: Open, tmp_path: Path, fault: str
) -> None:
    server, tab = start(), open_tab()
    change, words = FAULTS[fault]
    tab.page.add_init_script(f"window.tamper = {{ {UNTOUCHED}, {change} }};{TAMPER}")
    tab.sign_in(server)
    path = tmp_path / "a.jpg"
    path.write_bytes(big_jpeg(9 * MiB) if fault == "a wrong ETag" else jpeg())
    tab.drop(path)
    tab.until_counts(60, Failed=1, Active=0)
    told = _rows(tab)["a.jpg"]
    assert re.search(words, told), told
    tab.page.evaluate(f"Object.assign(window.tamper, {{ {UNTOUCHED} }})")
    tab.page.get_by_role("button", name="Retry a.jpg").click()
    tab.until_counts(Completed=1, Failed=0, Active=0)
