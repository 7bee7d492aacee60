"""A training that is killed over and over by SIGKILL, also inside its writes, ends as one that nothing disturbed.

    python tests/kills.py [20] [--seed 0]

Runs `ranvier train` (Yin-Yang, 10 neurons, 40 epochs, a checkpoint after each), kills it so many times and resumes it. Half
of the kills come from outside at a random moment. The other half come from inside, at a random write: with half of a file
written, before it is on the disk, before it has its name, or right after. Then the run is finished and its metrics, its
network and its result are compared with those of a run that was never killed. `tests/test_hardening.py` holds the same for
every point of every write, without processes.
"""

import argparse
import json
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ARGUMENTS = ["train", "yin-yang", "--hidden", "10", "--epochs", "40", "--quiet", "--resume"]
MOMENTS = ("half", "unsynced", "unnamed", "named")
TIMES = ("samples_per_second", "seconds", "commit")
CHILD = "RANVIER_KILL"
"""What a started process is to do to itself: `MOMENT NUMBER`, the write of which it dies."""


def die_at(moment: str, number: int) -> None:
    """Have this process kill itself at a write."""
    from pathlib import Path

    count, sync, replace = iter(range(10**9)), os.fsync, Path.replace
    die = lambda: os.kill(os.getpid(), signal.SIGKILL)

    def fsync(handle: int) -> None:
        if moment in ("half", "unsynced") and next(count) == number:
            if moment == "half" and stat.S_ISREG(os.fstat(handle).st_mode):  # folders are synced, too
                os.truncate(f"/proc/self/fd/{handle}", os.fstat(handle).st_size // 2)
            die()
        sync(handle)

    def renamed(path: Path, target: Any) -> Path:
        mine = moment in ("unnamed", "named") and next(count) == number
        if mine and moment == "unnamed":
            die()
        found = replace(path, target)
        if mine:
            die()
        return found

    os.fsync, Path.replace = fsync, renamed


def child() -> None:
    """What a started process does: the command line, with a checkpoint after every epoch."""
    from ranvier.lab.cli import main
    from ranvier.train import loop

    loop.CHECKPOINT_SECONDS = 0.0
    moment, _, number = os.environ.get(CHILD, "").partition(" ")
    if moment:
        die_at(moment, int(number))
    sys.argv = ["ranvier", *sys.argv[2:]]
    main()


def start(folder: Path, plan: str = "") -> subprocess.Popen[bytes]:
    """Start or resume the run."""
    command = [sys.executable, __file__, "--child", *ARGUMENTS, "--out", str(folder)]
    return subprocess.Popen(command, env=os.environ | {CHILD: plan}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def epochs(folder: Path) -> int:
    """Whole lines of `metrics.jsonl`."""
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_once(folder: Path, chance: random.Random, left: int) -> str:
    """Start the run, and have it killed; how."""
    done = epochs(folder)
    more = max(1, (40 - done) // (left + 1))
    if chance.random() < 0.5:
        plan = f"{chance.choice(MOMENTS)} {chance.randrange(1 + 3 * more)}"
        process = start(folder, plan)
    else:
        plan, process, wanted = "from outside", start(folder), done + chance.randint(0, more)
        while process.poll() is None and epochs(folder) < wanted:
            time.sleep(0.002)
        time.sleep(chance.uniform(0.0, 0.1))
        process.kill()
    complaint = process.communicate()[1].decode()
    if process.returncode != -signal.SIGKILL:
        msg = f"{plan}: not killed, status {process.returncode}: {complaint}"
        raise SystemExit(msg)
    litter = sorted(path.name for path in folder.glob(".*"))
    return f"{plan}, {epochs(folder)} epochs, left behind {litter}"


def outcome(folder: Path) -> dict[str, Any]:
    """What a run came to, without what was timed."""
    import jax

    from ranvier import load
    from ranvier.train.checkpoint import digest

    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    result = json.loads((folder / "metrics.json").read_text())
    timeless = lambda line: {name: value for name, value in line.items() if name not in TIMES}
    arrays = digest(jax.tree.leaves(load(folder / "network.npz")))
    files = sorted(path.name for path in folder.iterdir())
    return {"lines": [timeless(line) for line in lines], "result": timeless(result), "network": arrays, "files": files}


def finish(folder: Path) -> dict[str, Any]:
    """Let a run come to its end."""
    process = start(folder)
    complaint = process.communicate()[1].decode()
    if process.returncode:
        msg = f"status {process.returncode}: {complaint}"
        raise SystemExit(msg)
    return outcome(folder)


def main() -> None:
    """All kills, and the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", nargs="?", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as place:
        undisturbed = finish(Path(place) / "undisturbed")
        for number in range(given.kills):
            told = kill_once(Path(place) / "killed", chance, given.kills - number)
            sys.stdout.write(f"kill {number + 1}: {told}\n")
            sys.stdout.flush()
        found = finish(Path(place) / "killed")
    differing = [name for name in undisturbed if undisturbed[name] != found[name]]
    sys.stdout.write(f"{given.kills} kills; {'the same to the last bit' if not differing else f'other {differing}'}\n")
    sys.exit(bool(differing))


if __name__ == "__main__":
    child() if sys.argv[1:2] == ["--child"] else main()
