"""All worlds and mutants of the model: ``python -m tests.model``; exits 1 if one is not as said."""

import argparse
import resource
import sys
from collections.abc import Sequence

from tests.model.cases import HOLDS, MUTANTS, NEEDLESS, Case
from tests.model.checker import Result, Search


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("words", nargs="*", help="only the cases whose names have all these words")
    parser.add_argument("--small", action="store_true", help="only what the tests search too")
    parser.add_argument("--trace", action="store_true", help="the steps to what is broken, in words")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    wrong = 0
    for title, cases in (("holds", HOLDS), ("is found", MUTANTS), ("can be left out", NEEDLESS)):
        for case in _chosen(cases, arguments):
            result = Search(case.model).run()
            good = (result.broken or "").startswith(case.finds) if case.finds else result.broken is None
            wrong += not good
            print(f"{title if good else 'WRONG'}: {case.name}: {_told(result)}", flush=True)
            if arguments.trace or not good:
                print("".join(f"    {words}\n" for words in result.trace), end="")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{wrong} not as said; at most {memory} MiB")
    return int(wrong > 0)


def _chosen(cases: Sequence[Case], arguments: argparse.Namespace) -> list[Case]:
    small = [case for case in cases if not (case.large and arguments.small)]
    return [case for case in small if all(word in case.name for word in arguments.words)]


def _told(result: Result) -> str:
    seen = f"{result.states:,} states, {result.steps:,} steps, {result.depth} deep, {result.seconds:.1f} s"
    return f"{result.broken}; {seen}" if result.broken else seen


if __name__ == "__main__":
    sys.exit(main())
