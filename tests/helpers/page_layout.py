"""What a page does at a given width, measured in headless Chromium (Debian: apt-get install chromium)."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""

MEASURE = """<script>addEventListener('load', () => {
  const found = [];
  for (const e of document.querySelectorAll('*')) {
    if (e.closest('svg') || getComputedStyle(e).display == 'inline' || !e.clientWidth) continue;
    if (e.scrollWidth > e.clientWidth + 1)
      found.push('scrolls: ' + e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 40));
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    if (node.parentElement.closest('svg, style, script, pre, dd')) continue;
    for (const word of node.data.matchAll(/[A-Za-z0-9]{2,20}/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
      if (lines.size > 1) found.push('broken: ' + word[0]);
    }
  }
  parent.postMessage(JSON.stringify(found), '*');
});</script>"""


def layout_faults(page: Path, width: int, scratch: Path) -> list[str]:
    """Elements of the page that scroll sideways and words that are broken inside, with every sample unfolded."""
    text = page.read_text().replace("default-src 'none'; style-src", "default-src * 'unsafe-inline'; style-src")
    copy, frame = scratch / "copy.html", scratch / "frame.html"
    copy.write_text(text.replace("<details>", "<details open>").replace("</head>", f"{MEASURE}</head>"))
    # Headless Chromium lays out no narrower than 500 pixels; a frame may be narrower.
    frame.write_text(
        "<div id=o></div><script>addEventListener('message', e => o.textContent = e.data)</script>"
        f"<iframe src='{copy.as_uri()}' style='width:{width}px;height:2000px;border:0'></iframe>"
    )
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]
    command += [f"--user-data-dir={scratch / 'profile'}", "--window-size=1400,2200", "--virtual-time-budget=4000"]
    done = subprocess.run([*command, frame.as_uri()], capture_output=True, text=True, timeout=120, check=False)
    said = re.search(r'<div id="o">(.+?)</div>', done.stdout, re.DOTALL)
    assert said, f"the page did not report: {done.stderr[-500:]}"
    found: list[str] = json.loads(html.unescape(said[1]))
    return list(dict.fromkeys(found))
