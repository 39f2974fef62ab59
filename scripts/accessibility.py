#!/usr/bin/env python3
"""Check reports for accessibility with axe-core in headless chromium.

usage: scripts/accessibility.py REPORT.html...

Needs chromium and npm, which fetches axe-core once into a folder for temporary files. Each page is
opened at 390, 768 and 1280 px, light and dark. Exits with 1 where axe-core reports a violation.
"""

import html
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

AXE = "4.14.1"
WIDTHS = [390, 768, 1280]
# Frames are the screens: windows cannot be as narrow as a phone.
PROBE = """<!DOCTYPE html><html lang="en"><title>waiting</title><body><script>
(async () => {
  const found = {};
  for (const width of %(widths)s) {
    const frame = document.createElement("iframe");
    frame.style = `border: 0; width: ${width}px; height: 900px`;
    frame.srcdoc = %(page)s;
    await new Promise((loaded) => { frame.onload = loaded; document.body.append(frame); });
    frame.contentWindow.eval(%(axe)s);
    const { violations, passes } = await frame.contentWindow.axe.run(frame.contentDocument, { iframes: false });
    found[width] = { passes: passes.length, violations: violations.map(({ id, impact, help, nodes }) =>
      ({ id, impact, help, nodes: nodes.slice(0, 3).map((node) => node.html.slice(0, 200)), count: nodes.length })) };
    frame.remove();
  }
  document.title = JSON.stringify(found);
})().catch((fault) => { document.title = JSON.stringify({ fault: String(fault) }); });
</script></body></html>"""


def axe():
    """The source of axe-core."""
    folder = Path(tempfile.gettempdir()) / f"axe-core-{AXE}"
    archive = folder / f"axe-core-{AXE}.tgz"
    if not archive.exists():
        folder.mkdir(exist_ok=True)
        subprocess.run(
            ["npm", "pack", "--silent", f"axe-core@{AXE}"], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
    with tarfile.open(archive) as packed:
        return packed.extractfile("package/axe.min.js").read().decode()


def in_script(text):
    """A text as a literal that cannot end its script."""
    return json.dumps(text).replace("<", "\\u003c")


def violations(chromium, page, scheme, source):
    """What axe-core says of a page, by width."""
    probe = PROBE % {"widths": WIDTHS, "page": in_script(page), "axe": in_script(source)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "probe.html"
        file.write_text(probe)
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]
        options += [f"--user-data-dir={folder}/profile", f"--blink-settings=preferredColorScheme={scheme}"]
        options += ["--virtual-time-budget=120000", f"file://{file}"]
        seen = subprocess.run([chromium, *options], capture_output=True, text=True, timeout=600, check=True).stdout
    title = re.search("<title>(.*?)</title>", seen, re.DOTALL)
    return json.loads(html.unescape(title.group(1)))


def main():
    chromium = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if chromium is None or shutil.which("npm") is None or len(sys.argv) < 2:
        sys.exit(__doc__)
    source = axe()
    failed = False
    for name in sys.argv[1:]:
        page = Path(name).read_text()
        for scheme, colours in enumerate(["dark", "light"]):
            for width, found in violations(chromium, page, scheme, source).items():
                if width == "fault":
                    sys.exit(f"{name}: {found}")
                wrong = found["violations"]
                failed |= bool(wrong)
                print(f"{name}, {colours}, {width} px: {len(wrong)} violations, {found['passes']} rules passed")
                for violation in wrong:
                    print(json.dumps(violation, indent=2))
    sys.exit(int(failed))


main()
