"""Runs the code of pages, each in a process of its own, forked from one that has already imported what they need.

    python pages.py    reads lines "FOLDER PROGRAM", runs PROGRAM in FOLDER, answers "EXIT-STATUS"; output goes to PROGRAM.out

To import JAX and ranvier costs two seconds, and there are some forty pages. Neither starts a thread or a backend when it is
imported, so a fork of that process is as good as a new one.
"""

import os
import runpy
import sys
import traceback
import warnings


def run(folder: str, program: str) -> int:
    """Run a program as `python -W error program` would, and give its exit status."""
    os.chdir(folder)
    sys.argv = [program]
    with open(f"{program}.out", "w", buffering=1) as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        try:
            runpy.run_path(program, run_name="__main__")
        except SystemExit as done:
            return int(done.code or 0)
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    return 0


def main() -> None:
    """Answer one line after the other."""
    import jax  # noqa: F401
    import matplotlib.pyplot  # noqa: F401

    import ranvier as rv

    for name in rv.__all__:
        getattr(rv, name)
    warnings.simplefilter("error")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(run(*line.split()))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
