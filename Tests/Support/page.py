"""Looks at a page with instruments: what it loads and from where, and what an accessibility checker finds."""

import json
from pathlib import Path

import axe_core_python

from chromium import ChromiumTab

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()


def requests(tab: ChromiumTab) -> list[dict]:
    """The requests since the last look: `url`, and `bytes` as they came over the wire (compressed, with headers)."""
    tab.wait_idle()
    by_id: dict[str, dict] = {}
    for entry in tab.browser.driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        parameters = message["params"]
        if message["method"] == "Network.requestWillBeSent":
            by_id.setdefault(parameters["requestId"], {"url": parameters["request"]["url"], "bytes": 0})
        elif message["method"] == "Network.loadingFinished" and parameters["requestId"] in by_id:
            by_id[parameters["requestId"]]["bytes"] = parameters["encodedDataLength"]
        elif message["method"] == "Network.webSocketCreated":
            by_id[parameters["requestId"]] = {"url": parameters["url"], "bytes": 0}
    return list(by_id.values())


def serious_findings(tab: ChromiumTab) -> list[str]:
    """What axe finds serious or critical in the page as it is now, a line each."""
    tab.run(AXE + "; return true")
    # Axe must not judge colours in the middle of a fade.
    tab.run("await Promise.allSettled(document.getAnimations().filter(a => a.effect?.getTiming().iterations !== Infinity).map(a => a.finished)); return true")
    result = tab.run(
        "const r = await axe.run(document, {resultTypes: ['violations']});"
        "return r.violations.filter(v => ['serious', 'critical'].includes(v.impact))"
        ".map(v => `${v.impact} ${v.id}: ${v.help}: ` + v.nodes.map(n => n.target.join(' ') + ' ' + (n.failureSummary ?? '')).join('; '))"
    )
    return list(result or [])
