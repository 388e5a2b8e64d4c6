"""Links between the documents lead somewhere."""

import re
import subprocess
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)


def documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    return [ROOT / line for line in listed if line and (ROOT / line).exists()]


def anchor(heading: str) -> str:
    """A heading's anchor, as forges make it."""
    text = re.sub(r"[`*_\[\]]|\([^)]*\)", "", heading).strip().lower()
    kept = "".join(c for c in text if c in "- _" or unicodedata.category(c)[0] in "LN")
    return kept.replace(" ", "-")


def anchors(document: Path) -> set[str]:
    text = FENCE.sub("", document.read_text())
    return {anchor(m.group(1)) for m in re.finditer(r"^#{1,6}\s+(.*)$", text, re.M)}


@pytest.mark.parametrize("document", documents(), ids=lambda d: str(d.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for target in LINK.findall(FENCE.sub("", document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (document.parent / unquote(path)) if path else document
        if not file.exists():
            broken.append(target)
        elif fragment and file.suffix == ".md" and fragment not in anchors(file):
            broken.append(f"{target} (no such heading)")
    assert not broken, f"{document.relative_to(ROOT)}: {broken}"


def test_every_module_has_a_readme() -> None:
    folders = [*(ROOT / "Services").iterdir(), *(f for f in (ROOT / "Shared").iterdir() if f.name != "C")]
    missing = [str(f.relative_to(ROOT)) for f in folders if f.is_dir() and not (f / "README.md").exists()]
    assert not missing
