"""A page in a headless browser, with a script that drives it."""

import re
import shutil
import subprocess

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--virtual-time-budget=20000", "--dump-dom"),
]
CATCH = "<script>window.errors = []; onerror = m => { errors.push(String(m)); };</script>"


def in_browser(page, folder, *options):
    """What the scripts of a page wrote into its element `seen`."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    printed = subprocess.run(
        [BROWSER, *OPTIONS, *options, f"--user-data-dir={folder}", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=100,
    ).stdout
    text = re.search(r'<pre id="seen">(.*?)</pre>', printed, re.DOTALL)[1]
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
