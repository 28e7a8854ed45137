"""A real browser for tests: Debian's chromium, driven by playwright; without one tests skip, but where MYOW_BROWSER says so they fail."""

import contextlib
import os
import shutil

import pytest

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)


def why_not():
    if CHROMIUM is None:
        return "chromium is not installed"
    try:
        import axe_playwright_python  # noqa: F401
        import playwright  # noqa: F401
    except ImportError as error:
        return f"{error.name} is not installed; the extra 'test' holds it"
    return ""


@contextlib.contextmanager
def browser():
    if why := why_not():
        if os.environ.get("MYOW_BROWSER"):
            pytest.fail(why)
        pytest.skip(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield opened
        finally:
            opened.close()


class Page:
    """A report that is open, with all that it asked for and complained of."""

    def __init__(self, opened, path, **options):
        self.context = opened.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        self.page = self.context.new_page()
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        self.page.goto(path.as_uri())
        if options.get("java_script_enabled", True) and self.page.locator("#app").count():
            self.page.wait_for_function("document.documentElement.dataset.ready", timeout=20_000)

    def state(self, key):
        return self.page.evaluate(f"window.myow.{key}")

    def faults(self):
        """What axe finds wrong for people who cannot see, or not well."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page)
        return [one["id"] for one in found.response["violations"]]
