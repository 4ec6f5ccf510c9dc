"""A page in headless Chromium: what a script finds in it, what the console says, which addresses are asked for."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: The wide ``--window-size`` that headless Chromium takes is never below 500.
NARROW, WIDE = 500, 1100
#: No request leaves the machine; those that the browser makes of its own accord, to its maker, are not the page's.
CLOSED = ("--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--disable-component-update")
ITS_MAKER = re.compile(r"https?://[\w.-]*\.(google|gvt1)\.com/")


@dataclass(frozen=True)
class Visit:
    """``found`` is what the script returned; ``said`` are lines of the console; ``asked`` the addresses elsewhere."""

    found: Any
    said: list[str]
    asked: list[str]


def visit(page: Path, script: str, width: int = WIDE, query: str = "") -> Visit:
    """Opens a copy of the page beside it and runs the body of an asynchronous function there; returns JSON."""
    copy, log = page.with_name(f"visited-{page.name}"), page.with_name("visited.netlog")
    report = (
        "<script>window.addEventListener('load', async () => {const found = await (async () => {" + script + "})();"
        "document.body.insertAdjacentHTML('beforeend', '<pre id=found></pre>');"
        "document.getElementById('found').textContent = JSON.stringify(found);});</script>"
    )
    copy.write_text(page.read_text(encoding="utf-8") + report, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", *CLOSED, f"--user-data-dir={page.parent / 'profile'}"]
    flags += [f"--window-size={width},1200", f"--log-net-log={log}", "--enable-logging=stderr"]
    # Time goes on by itself as soon as nothing is to be done, thirty seconds at most.
    command = [str(CHROMIUM), *flags, "--virtual-time-budget=30000", "--dump-dom", copy.as_uri() + query]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the script did not end: {done.stderr}"
    said = re.findall(r"CONSOLE[^\"]*\"(.*)", done.stderr)
    asked = re.findall(r'"url":"([^"]+)"', log.read_text(encoding="utf-8"))
    return Visit(json.loads(html.unescape(found[1])), said, [url for url in asked if not ITS_MAKER.match(url)])
