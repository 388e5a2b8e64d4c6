"""`make bench-turn`: what a relayed packet costs, ours beside coturn and a bare relay, all on loopback in one run.

A row is a load. Its contestants take turns, round by round, so that whatever else the machine does hits them alike; figures are medians over the
rounds, and limits are for ratios of medians. A run that lost a packet, or whose generator could not keep its pace, does not count and is
repeated; a row without enough good runs says so and counts as failed.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field

from contestants import BIN, PASSWORD, ROOT, USER, WORK, Contestant, alone_on, missing

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = float(os.environ.get("SECONDS_EACH", "3"))
ONLY = [name for name in os.environ.get("ROWS", "").split(",") if name]
# A generator that sends less than this share of its pace measures another load than asked.
PACE = 0.98
TRIES = 3

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]


@dataclass
class Limit:
    """`figure` of `of` may be at most `limit` times `than`'s; without `than`, `limit` is for the figure itself."""

    figure: str
    of: str
    than: str | None
    limit: float


@dataclass
class Row:
    key: str
    title: str
    load: dict
    contestants: list[str]
    limits: list[Limit]
    # A fresh server for each run, where memory is measured.
    fresh: bool = False
    # What one contestant's load has besides.
    changes: dict[str, dict] = field(default_factory=dict)


COST, BUSIEST, SETUP, MEMORY = "CPU a packet", "busiest worker's CPU a packet", "CPU an allocation", "memory an allocation"
UNITS = {COST: "us", BUSIEST: "us", SETUP: "us", MEMORY: "KiB"}
BURSTS = dict(flows=20, bytes=1200, rate=20000, burst=8, gro=1)
ROWS = [
    Row("single", "20 flows, 1,200 B, 20,000/s, one at a time", dict(flows=20, bytes=1200, rate=20000, gro=1), ["ours", "coturn", "bare"],
        [Limit(COST, "ours", "bare", 1.25), Limit(COST, "ours", "coturn", 1.0)]),
    Row("bursts-gso", "20 flows, 1,200 B, bursts of 8, generator with GSO", dict(BURSTS, gso=1), ["ours", "coturn", "bare gso"],
        [Limit(COST, "ours", "bare gso", 1.15), Limit(COST, "ours", "coturn", 0.8)]),
    Row("bursts", "20 flows, 1,200 B, bursts of 8, generator without GSO", BURSTS, ["ours", "coturn", "bare gso"],
        [Limit(COST, "ours", "bare gso", 1.15), Limit(COST, "ours", "coturn", 0.8)]),
    Row("small", "200 flows, 160 B, 40,000/s", dict(flows=200, bytes=160, rate=40000, gro=1), ["ours", "coturn", "bare"],
        [Limit(COST, "ours", "bare", 1.25)]),
    # "bare" has no limit here: it shows what is the kernel's of a packet, below which no server can be.
    Row("many", "2,000 allocations with a channel, 160 B, 40,000/s", dict(flows=2000, bytes=160, rate=40000, gro=1), ["ours", "coturn", "bare"],
        [Limit(SETUP, "ours", "coturn", 0.5), Limit(COST, "ours", "coturn", 0.5), Limit(MEMORY, "ours", None, 6.0),
         Limit(MEMORY, "ours", "coturn", 6 / 22)], fresh=True),
    Row("tls", "20 flows, 1,200 B, 20,000/s, TLS over TCP", dict(flows=20, bytes=1200, rate=20000, gro=1, server="tls"), ["ours", "coturn"],
        [Limit(COST, "ours", "coturn", 0.8)]),
    Row("idle", "20 flows, 1,200 B, 20,000/s, beside 10,000 idle allocations", dict(flows=20, bytes=1200, rate=20000, gro=1),
        ["ours idle", "ours"], [Limit(COST, "ours idle", "ours", 1.1)], changes={"ours idle": dict(idle=10000)}),
    # Each worker has the same load in both: at half of it, it would wake up as often for half the packets.
    Row("workers", "200 flows, 1,200 B, 10,000/s a worker, two workers", dict(flows=200, bytes=1200, rate=10000, gro=1, gentle=1),
        ["ours two", "ours one"], [Limit(BUSIEST, "ours two", "ours one", 0.55)], changes={"ours two": dict(flows=400, rate=20000)}),
]  # fmt: skip


def contestant(name: str) -> Contestant:
    workers = 2 if name == "ours two" else 1
    # Two workers have both cores; the generator then sleeps between its sends (`gentle`), for both of that row.
    cores = set(CORES) if workers == 2 else {SERVER_CORE}
    return Contestant(name, cores, workers=workers, gso=name == "bare gso")


def run(server: Contestant, load: dict) -> dict:
    """One run of the generator. Raises where it could not run at all."""
    options = dict(load)
    kind = options.pop("server", server.kind)
    port = server.tls_port if kind == "tls" else server.port
    options |= dict(server=kind, port=port, pid=server.process.pid, user=USER, password=PASSWORD, seconds=SECONDS)
    command = [str(BIN / "TurnLoad")]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS + 240, **alone_on({LOAD_CORE}))
    if done.returncode != 0:
        raise RuntimeError(f"{server.name}: {done.stdout.strip()[-500:]} {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def fault(result: dict, load: dict) -> str | None:
    """Why a run does not count."""
    if result["received"] != result["sent"]:
        return f"{result['sent'] - result['received']} of {result['sent']} packets lost"
    if result["wrong"]:
        return f"{result['wrong']} packets wrong or out of order"
    if result["achieved"] < PACE * load["rate"]:
        return f"the generator sent {result['achieved']:.0f} packets a second, not {load['rate']}"
    return None


def figures(result: dict) -> dict[str, float]:
    each = max(1, result["allocations"])
    return {
        COST: result["server_ns"] / max(1, result["counted"]) / 1000,
        BUSIEST: result["busiest_ns"] / max(1, result["counted"]) / 1000,
        SETUP: result["setup_ns"] / each / 1000,
        MEMORY: result["memory"] / each / 1024,
    }


def measure(row: Row, names: list[str]) -> tuple[dict[str, list[dict]], list[str]]:
    """The figures of each contestant's good runs, and what was wrong with the others."""
    seen: dict[str, list[dict]] = {name: [] for name in names}
    faults: list[str] = []
    with ExitStack() as stack:
        servers = {}
        if not row.fresh:
            for name in names:
                servers[name] = contestant(name).start()
                stack.callback(servers[name].stop)
        for _ in range(ROUNDS):
            for name in names:
                load = row.load | row.changes.get(name, {})
                for _ in range(TRIES):
                    server = servers[name] if not row.fresh else contestant(name).start()
                    try:
                        result = run(server, load | (dict(keep=1) if row.fresh else {}))
                    except RuntimeError as error:
                        faults.append(str(error))
                        continue
                    finally:
                        if row.fresh:
                            server.stop()
                    reason = fault(result, load)
                    if reason is None:
                        seen[name].append(figures(result))
                        break
                    faults.append(f"{name}: {reason}")
    return seen, faults


def report(row: Row, seen: dict[str, list[dict]], faults: list[str]) -> list[dict]:
    """Prints a row, and gives its lines for the file."""
    print(f"\n{row.title}")
    wanted = list(dict.fromkeys(limit.figure for limit in row.limits))
    medians = {
        name: {figure: statistics.median(run[figure] for run in runs) for figure in wanted} for name, runs in seen.items() if runs
    }
    for figure in wanted:
        for name, values in medians.items():
            if figure in (SETUP, MEMORY) and name.startswith("bare"):
                continue  # It makes no allocations.
            spread = [run[figure] for run in seen[name]]
            print(f"  {figure:32}{name:12}{values[figure]:>9.2f} {UNITS[figure]:4} ({min(spread):.2f} to {max(spread):.2f}, {len(spread)} runs)")
    lines = []
    for limit in row.limits:
        value = medians.get(limit.of, {}).get(limit.figure)
        baseline = medians.get(limit.than, {}).get(limit.figure) if limit.than else None
        ratio = value / baseline if value is not None and baseline else None
        enough = all(len(seen.get(name, [])) >= ROUNDS for name in (limit.of, limit.than) if name)
        against = f" of {limit.than}" if limit.than else ""
        lines.append(
            {
                "name": f"{row.title}: {limit.figure}{against}", "value": round(value, 3) if value is not None else None,
                "unit": UNITS[limit.figure], "baseline": round(baseline, 3) if baseline is not None else None,
                "ratio": round(ratio, 3) if ratio is not None else None, "limit": round(limit.limit, 3), "runs": len(seen.get(limit.of, [])),
            } | ({} if enough else {"invalid": "; ".join(dict.fromkeys(faults)) or "no such contestant"})
        )  # fmt: skip
        measured = ratio if limit.than else value
        if not enough:
            verdict = "INVALID: " + lines[-1]["invalid"][:200]
        else:
            verdict = "met" if measured <= limit.limit else "NOT MET"
        shown = "-" if measured is None else f"{measured:.2f}"
        print(f"  {limit.figure} of {limit.of}{against.replace(' of', ' /', 1)}: {shown}, limit {limit.limit:.2f}: {verdict}")
    for text in dict.fromkeys(faults):
        print(f"  not counted: {text[:300]}")
    sys.stdout.flush()
    return lines


def prepare() -> None:
    """10,000 clients and their relay sockets want descriptors."""
    WORK.mkdir(parents=True, exist_ok=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, 65536), max(hard, 65536)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if len(CORES) < 2:
        print("one core only: server and generator share it, and figures mean little")


def main() -> int:
    prepare()
    absent = {name: reason for name in ("ours", "coturn") if (reason := missing(name))}
    for name, reason in absent.items():
        print(f"{name} does not take part: {reason}")
    lines: list[dict] = []
    for row in ROWS:
        if ONLY and row.key not in ONLY:
            continue
        names = [name for name in row.contestants if name.split()[0] not in absent]
        if not names:
            continue
        lines += report(row, *measure(row, names))
    (ROOT / ".bench" / "turn.json").write_text(json.dumps(lines, indent=1) + "\n")
    over = [line["name"] for line in lines if "invalid" in line or (line["value"] if line["baseline"] is None else line["ratio"]) > line["limit"]]
    print(f"\n{len(lines) - len(over)} of {len(lines)} limits met")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
