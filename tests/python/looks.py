"""One look at the dashboard: what it shows, and how to work it."""

import os
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, expect

from benchmarks import browsers
from python_scoring.dashboard import serve

# A machine that does much else answers late; nobody waits for one that is idle.
MILLISECONDS = 60_000
expect.set_options(timeout=MILLISECONDS)

_AT_REST = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const isIdle = app?.dataset.testScriptState === 'notRunning';
  const text = app?.textContent;
  if (!isIdle || text !== window.rmSeen) {
    window.rmSeen = text;
    window.rmSince = performance.now();
    return false;
  }
  return performance.now() - window.rmSince > 250;
}"""


def required_chromium() -> str:
    """Find Chromium; without it skip, but fail where a machine answers for us."""
    found = browsers.chromium()
    if found is None:
        reason = "Chromium is not installed; on Debian: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@dataclass
class Look:
    """One tab: what it shows, what its console said, and what it asked the net for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(MILLISECONDS)

    def open(self, address: str) -> None:
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._note_request(request.url))
        self.page.goto(address)
        self.settle()

    def _note(self, message: object) -> None:
        if getattr(message, "type", "") == "error":
            self.errors.append(str(getattr(message, "text", message)))

    def _note_request(self, url: str) -> None:
        if url.split("://")[0] in ("http", "https", "ws", "wss") and (
            f"//{serve.HOST}:" not in url
        ):
            self.foreign.append(url)

    def settle(self) -> None:
        """Wait until the page is whole: its script at rest, and nothing new to see.

        The script may be at rest a little before what it wrote last is drawn.
        """
        self.page.locator("h1").first.wait_for()
        self.page.evaluate("window.rmSeen = null")
        self.page.wait_for_function(_AT_REST, polling=50)

    def go(self, title: str) -> None:
        """Go to a page by its link."""
        self.head_for(title)
        self.settle()

    def head_for(self, title: str) -> None:
        """Go to a page by its link, and wait for no more than its heading."""
        self.page.get_by_role("link", name=title, exact=True).click()
        self.page.get_by_role("heading", level=1, name=title, exact=True).wait_for()

    def text(self) -> str:
        """All that the page shows or has folded away."""
        return self.page.locator('[data-testid="stMain"]').text_content() or ""

    def tables(self) -> str:
        """All that its tables hold."""
        return "\n".join(self.page.locator(".rm-table").all_text_contents())

    def captions(self) -> list[str]:
        return self.page.locator(".rm-table caption").all_text_contents()

    def changes(self, act: object, *, of: str = ".rm-table") -> str:
        """Do something, and wait until tables are others; what they hold then."""
        before = self.page.locator(of).all_text_contents()
        assert callable(act)
        act()
        self.page.wait_for_function(
            "([of, before]) => JSON.stringify([...document.querySelectorAll(of)]"
            ".map(one => one.textContent)) !== JSON.stringify(before)",
            arg=[of, before],
        )
        self.settle()
        return self.tables()

    def says(self, words: str) -> None:
        """Wait until the page says something."""
        self.page.get_by_text(words).first.wait_for()

    def choose(self, label: str, *options: str) -> None:
        """Choose in a list of one or several."""
        box = self.page.get_by_role("combobox", name=label)
        for option in options:
            box.click()
            # A long list holds no more than one sees of it.
            box.press_sequentially(option)
            self.page.get_by_role("option", name=option, exact=True).click()
        self.page.keyboard.press("Escape")

    def window(self, days: int) -> None:
        """Choose a window."""
        group = self.page.get_by_role("radiogroup", name="Window")
        group.get_by_text(f"{days} days", exact=True).click()

    def fill(self, label: str, value: str) -> None:
        """Type into a field, and leave it."""
        field_ = self.page.get_by_label(label, exact=True)
        field_.fill(value)
        field_.press("Enter")
