"""The end of a process that a test or a benchmark started."""

import subprocess


def end(process: subprocess.Popen | None, patience: float = 5.0) -> None:
    """Asks it to end, and after so many seconds ends it."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
