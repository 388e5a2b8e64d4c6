"""What docs/protocol says is what the programs say: message types, errors, frames and limits, compared with the sources."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIGNAL, BUS = (ROOT / "docs" / "protocol" / name for name in ("signal.md", "bus.md"))
MACHINES = ROOT / "Services" / "signal" / "Machines"


def sources(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.rglob("*.swift")))


def in_tables(text: str, head: str) -> set[str]:
    """The first words of the first column of each table that is headed so."""
    tables = re.findall(rf"^\| {head} \|.*\n\|[ -|]+\n((?:\|.*\n?)+)", text, re.MULTILINE)
    return set(re.findall(r"^\| `([a-z-]+)", "\n".join(tables), re.MULTILINE))


def test_each_message_of_a_client_is_in_a_table_and_the_other_way_round():
    known = re.search(r"let types: Set = \[(.*?)\]", (MACHINES / "ClientMessage+Parsing.swift").read_text(), re.DOTALL)
    assert known
    assert in_tables(SIGNAL.read_text(), "client says") == set(re.findall(r'"([a-z-]+)"', known[1]))


def test_each_error_is_named():
    enumeration = re.search(r"enum ErrorCode.*?\n}", (MACHINES / "ClientMessage.swift").read_text(), re.DOTALL)
    assert enumeration
    cases = re.findall(r'case (\w+)(?: = "([a-z-]+)")?', enumeration[0])
    missing = [raw or name for name, raw in cases if f"`{raw or name}" not in SIGNAL.read_text()]
    assert not missing


def test_each_message_and_event_of_signal_is_named():
    text = SIGNAL.read_text()
    said = set(re.findall(r'field\("(?:type|kind)", "([a-z-]+)"\)', sources(ROOT / "Services" / "signal")))
    assert len(said) > 15
    missing = [name for name in said if not re.search(rf'`{name}\b|"{name}"', text)]
    assert not missing


def test_the_bus_has_the_frames_and_limits_of_its_page():
    text, code = BUS.read_text(), (ROOT / "Shared" / "Bus" / "Frame.swift").read_text()
    written = {(name.lower(), int(kind)) for kind, name in re.findall(r"^\| (\d+) \| ([A-Z]+) \|", text, re.MULTILINE)}
    assert written == {(name, int(kind)) for name, kind in re.findall(r"case (\w+) = (\d+)", code)}
    limits = (ROOT / "Shared" / "Bus" / "WireLimits.swift").read_text()
    for line, said in {
        "messageBytes = 4 << 20": "4,194,304 bytes", "controlBytes = 16 << 10": "16,384", "metadataBytes = 4096": "4,096 bytes",
        "metadataEntries = 32": "32 entries", "queuedBytes = 16 << 20": "16 MiB of\n  unread", "keepaliveIdle: Interval = .seconds(1)": "After a second",
        "keepaliveTimeout: Interval = .seconds(4)": "four seconds later", "writeStall: Interval = .seconds(10)": "ten seconds",
    }.items():  # fmt: skip
        assert line in limits and said in text, (line, said)
