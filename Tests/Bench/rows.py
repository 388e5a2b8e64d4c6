"""The last step of a benchmark with browsers: its rows go into a file, and those over their limit are named."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def conclude(name: str, rows: list[dict]) -> int:
    """Writes `.bench/NAME.json`; gives the exit code."""
    folder = ROOT / ".bench"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")
    over = [row["name"] for row in rows if row["value"] > row["limit"]]
    if over:
        print(f"over the limit: {', '.join(over)}")
    return 1 if over else 0
