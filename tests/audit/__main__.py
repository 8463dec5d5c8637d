"""Kill real daemons, over and over: ``python -m tests.audit --kills N``; exits 1 if a promise was broken.

Each job has a seed, a home, an exchange and a database of its own. A job that finds something stops there, keeps
its home and names it: naived's log, the diary of what was done to it, the exchange's ledger and the journal.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

from tests.audit.figures import table
from tests.audit.job import Plan, live
from tests.audit.nodes import live_nodes
from tests.support.workers import FORK

_DEFAULT = Plan(seed=0, database="sqlite", kills=100)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--kills", type=int, default=_DEFAULT.kills, help="in all jobs together")
    parser.add_argument(
        "--seed", type=int, default=_DEFAULT.seed, help="of the first job; the next has the next one"
    )
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default=_DEFAULT.database)
    parser.add_argument("--jobs", type=int, default=1, help="at once, each with its share of the kills")
    parser.add_argument("--every", type=int, default=_DEFAULT.every, metavar="KILLS", help="between two audits")
    parser.add_argument("--run", type=float, default=_DEFAULT.run, metavar="SECONDS", help="at most before a kill")
    parser.add_argument("--pause", type=float, default=_DEFAULT.pause, metavar="SECONDS", help="a SIGSTOP at most")
    parser.add_argument("--troubles", type=float, default=_DEFAULT.troubles, metavar="N", help="faults a second")
    parser.add_argument("--nodes", type=int, default=1, help="that share one PostgreSQL server, up to 4")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    shares = [arguments.kills // arguments.jobs] * arguments.jobs
    shares[0] += arguments.kills - sum(shares)
    whole = Plan(**{name: value for name, value in vars(arguments).items() if name != "jobs"})
    plans = [replace(whole, seed=whole.seed + number, kills=share) for number, share in enumerate(shares)]
    began = time.monotonic()
    with ProcessPoolExecutor(arguments.jobs, FORK) as pool:
        jobs = list(pool.map(partial(live if whole.nodes == 1 else live_nodes, tell=_tell), plans))
    print(table(jobs, time.monotonic() - began))
    return 1 if any(job.violations for job in jobs) else 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
