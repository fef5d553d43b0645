"""One browser for the tests of a module, a fresh tab (and profile) for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.e2e.browsing import Tab, launch


# Of a module, not of the session: Playwright keeps an event loop running, beside which no asynchronous test could run.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Open tabs; each is a profile of its own. At the end none may have had an error of its own."""
    opened: list[Tab] = []

    def open_one(**options: object) -> Tab:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})  # type: ignore[arg-type]
        opened.append(Tab(context))
        return opened[-1]

    yield open_one
    for tab in opened:
        tab.page.context.close()
    assert not [problem for tab in opened for problem in tab.problems]
