"""Many executions against a real daemon: ``python -m tests.fuzz --executions N --seed S``; exits 1 if one fails."""

import argparse
import sys

from tests.fuzz.campaign import Campaign, Report, world

_SHOWN = 20  # violations


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--executions", type=int, default=20_000, metavar="N", help="lines and connections")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="what is said")
    arguments = parser.parse_args()
    with world() as home:
        report = Campaign(home, arguments.seed, arguments.executions).run(
            lambda progress: print(progress, file=sys.stderr, flush=True)
        )
    return _print(report, arguments.seed)


def _print(report: Report, seed: int) -> int:
    for name, value in report.rows():
        print(f"{name:<45}{value:>25}")
    for blame in report.blames[:_SHOWN]:
        print(f"seed {seed}: {blame}")
    return 1 if report.blames else 0


if __name__ == "__main__":
    sys.exit(main())
