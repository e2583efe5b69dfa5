"""Open every page of a built site in a browser and list what a reader would trip over.

    python .ci/check_site.py docs/_build
    python .ci/check_site.py docs/_build --pictures /tmp/pictures "recipes.html"

Each page is looked at on a desktop and on a phone, in light and in dark. It does not scroll
sideways, nor does its code, nor on a desktop its tables; words stand out from what is
behind them; code has no curly quotes; scripts raise no errors; nothing is asked of the
network; links lead to pages and headings that exist. Without Chromium it says so.
"""

import argparse
import base64
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import defaultdict, deque
from itertools import product
from pathlib import Path
from urllib.parse import unquote

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
BROWSER = BROWSER or shutil.which("google-chrome")
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe"),
]
THEME = "_static/webpack-macros.html"  # a template of the theme
WIDTHS = {"desktop": 1280, "phone": 390}
SCHEMES = ("light", "dark")

LINKS = """({
  links: [...document.querySelectorAll("a[href]")].map(a => a.href),
  ids: [...document.querySelectorAll("[id], a[name]")].map(e => e.id || e.name),
  curly: [...document.querySelectorAll("code, pre")].map(e => e.textContent)
    .filter(text => /[\\u2018\\u2019\\u201c\\u201d]/.test(text))
    .map(text => text.slice(0, 60)),
  broken: [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src),
})"""

LOOK = """(async width => {
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  const found = [], say = (what, e) => found.push(
    what + ": " + (e.textContent.trim() || e.tagName).slice(0, 50).replace(/\\s+/g, " "));
  const seen = e => e.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  if (document.documentElement.scrollWidth > width)
    found.push("scrolls sideways: " + document.documentElement.scrollWidth + " px");
  const boxes = width > 500 ? "pre, .pst-scrollable-table-container" : "pre";
  for (const e of document.querySelectorAll(boxes)) {
    const cut = e.scrollWidth - e.clientWidth;
    if (seen(e) && cut > 1) say(`${cut} px are cut off`, e);
  }

  // WCAG 2: relative luminance and contrast
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(srgb") ? [...n.slice(0, 3).map(v => 255 * v), n[3] ?? 1]
                                         : [n[0], n[1], n[2], n[3] ?? 1]; };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const luminance = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= 0.03928
      ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => { const layers = [];
    for (; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reduceRight((below, c) => over(c, below), [255, 255, 255, 1]); };
  const checked = new Set();
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const e = words.currentNode.parentElement;
    if (!words.currentNode.textContent.trim() || checked.has(e) || !seen(e)) continue;
    if (e.closest("svg, script, style, noscript, .sk-top-container, [disabled]")) continue;
    checked.add(e);
    const back = behind(e), front = over(parse(getComputedStyle(e).color), back);
    const [low, high] = [luminance(back), luminance(front)].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) say("contrast of " + contrast.toFixed(1), e);
  }
  return [...new Set(found)];
})"""


class Browser:
    """Chromium, spoken to in its DevTools protocol through a pair of pipes."""

    def __enter__(self):
        self.profile = tempfile.mkdtemp()
        to_read, self.to_browser = os.pipe()
        self.from_browser, to_write = os.pipe()
        # the browser reads from 3 and writes to 4
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (to_read, to_write)]
        self.pid = os.posix_spawn(
            BROWSER,
            [BROWSER, *OPTIONS, f"--user-data-dir={self.profile}"],
            os.environ,
            file_actions=[
                *((os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)),
                *(
                    (os.POSIX_SPAWN_DUP2, fd, n)
                    for fd, n in zip(theirs, (3, 4), strict=True)
                ),
            ],
        )
        for fd in (to_read, to_write, *theirs):
            os.close(fd)
        self.last, self.unread, self.messages, self.session = 0, b"", deque(), None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        answer = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self.session = answer["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(self, *error):
        with contextlib.suppress(OSError, EOFError):
            self.session = None
            self.ask("Browser.close")
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self):
        """Return the next message: an answer, or an event."""
        while b"\0" not in self.unread:
            read = os.read(self.from_browser, 1 << 20)
            if not read:
                raise EOFError("The browser has ended.")
            self.unread += read
        message, _, self.unread = self.unread.partition(b"\0")
        return json.loads(message)

    def ask(self, method, **params):
        """Send a command and return its result; keep the events that come before it."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        unsent = json.dumps(message).encode() + b"\0"
        while unsent:
            unsent = unsent[os.write(self.to_browser, unsent) :]
        while (answer := self.receive()).get("id") != self.last:
            self.messages.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def evaluate(self, expression):
        """Return what a JavaScript expression, or its promise, comes to in the page."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"]["value"]

    def open(self, url):
        """Load a page, and keep the events of its scripts and requests."""
        self.messages.clear()
        self.ask("Page.navigate", url=url)
        while not any(m["method"] == "Page.loadEventFired" for m in self.messages):
            self.messages.append(self.receive())

    def complaints(self):
        """Return what was wrong in the events since the page was opened."""
        said = (complaint(m["method"], m["params"]) for m in self.messages)
        return [words for words in said if words]

    def look(self, width, scheme):
        """Make the page as wide as a screen, and light or dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.ask("Emulation.setEmulatedMedia", features=features)


def complaint(method, params):
    """Say what an event of the browser means, if it means that something is wrong."""
    if method == "Runtime.exceptionThrown":
        details = params["exceptionDetails"]
        return "error: " + details.get("exception", details).get("description", "")[:200]
    if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
        return "console: " + str([a.get("value") for a in params["args"]])[:200]
    if method == "Log.entryAdded" and params["entry"]["level"] == "error":
        return "console: " + params["entry"]["text"] + " " + params["entry"].get("url", "")
    if method == "Network.requestWillBeSent":
        url = params["request"]["url"]
        if not url.startswith(("file:", "data:", "blob:", "about:")):
            return f"asks the network for {url}"
    return None


def look_at(browser, page, pictures):
    """Return what is wrong with a page, its links and its anchors."""
    browser.look(WIDTHS["desktop"], "light")
    browser.open(page.as_uri())
    facts = browser.evaluate(LINKS)
    wrong = [f"curly quote in code: {text}" for text in facts["curly"]]
    wrong += [f"no picture at {src}" for src in facts["broken"]]
    looks = defaultdict(list)
    for (name, width), scheme in product(WIDTHS.items(), SCHEMES):
        browser.look(width, scheme)
        for what in browser.evaluate(f"{LOOK}({width})"):
            looks[what].append(f"{name} {scheme}")
        if pictures:
            take_picture(browser, pictures / f"{page.stem}_{name}_{scheme}.png")
    wrong += [f"{what} ({', '.join(where)})" for what, where in looks.items()]
    return wrong + browser.complaints(), facts["links"], set(facts["ids"])


def take_picture(browser, path):
    """Write what the page looks like, all of it, to a file."""
    size = browser.ask("Page.getLayoutMetrics")["cssContentSize"]
    clip = {"x": 0, "y": 0, "scale": 1, "width": size["width"]}
    clip["height"] = min(size["height"], 16000)
    answer = browser.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
    path.write_bytes(base64.b64decode(answer["data"]))


def broken_links(site, links, ids):
    """Yield (page, what is wrong) for the links to pages or headings that do not exist."""
    for page, hrefs in links.items():
        for href in dict.fromkeys(hrefs):
            url, _, anchor = href.partition("#")
            if not url.startswith("file:"):
                continue
            target = Path(unquote(url.removeprefix("file://").partition("?")[0]))
            if not target.exists() or not target.is_relative_to(site):
                yield page, f"links to {target}, which does not exist"
            elif anchor and target in ids and unquote(anchor) not in ids[target]:
                yield (
                    page,
                    f"links to #{unquote(anchor)}, which {target.name} does not have",
                )


def main():
    """Look at the pages; list what is wrong by page; end with 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("pattern", nargs="?", default="*.html", help="pages to look at")
    parser.add_argument("--pictures", type=Path, help="a folder for pictures of each page")
    chosen = parser.parse_args()
    if BROWSER is None:
        print("No Chromium is installed: the pages were not looked at.")
        return 0
    if chosen.pictures:
        chosen.pictures.mkdir(parents=True, exist_ok=True)
    site = chosen.site.resolve()
    wrong, links, ids = {}, {}, {}
    with Browser() as browser:
        for page in sorted(set(site.rglob(chosen.pattern)) - {site / THEME}):
            wrong[page], links[page], ids[page] = look_at(browser, page, chosen.pictures)
    for page, what in broken_links(site, links, ids):
        wrong[page].append(what)
    for page, complaints in wrong.items():
        if complaints:
            print(page.relative_to(site), *complaints, sep="\n    ")
    bad = sum(map(bool, wrong.values()))
    print(f"{len(wrong)} pages were looked at; {bad} have something wrong.")
    return int(bad > 0 or not wrong)


if __name__ == "__main__":
    sys.exit(main())
