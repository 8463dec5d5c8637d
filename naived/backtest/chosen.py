"""The best point of a sweep as a small TOML file, which ``naivectl settings SYMBOL --from FILE`` reads.

It says in comments where the settings come from. Only settings that the sweep was given are in it: a budget that
nobody named must not become that of a symbol that trades real money.
"""

from collections.abc import Sequence

from naived.backtest import documents
from naived.backtest.grid import Grid
from naived.backtest.point import Figures, Terms
from naived.backtest.ranking import Ranked
from naived.backtest.sweep import Source
from naived.core.amount import format_amount


def toml(terms: Terms, grid: Grid, best: Ranked, points: int, sources: Sequence[Source]) -> str:
    """The text of the file; ``points`` is how many were run."""
    assert best.settings is not None
    symbol, quote = terms.rules.info.symbol, terms.rules.info.quote
    lines = [
        f"# naived sweep {symbol}: the best of {points} points by profit in sample, held coins included.",
        *(
            f"# tape: {source.path.name.encode('ascii', 'backslashreplace').decode()}" + _hash(source)
            for source in sources
        ),
        f"# run with fee {format_amount(terms.fee)} and latency {terms.latency} ms; {terms.limits.words(quote)}",
        *_figures("in sample", best.outcome.in_sample, quote),
        *_figures("out of sample", best.outcome.out_of_sample, quote),
        *(f"# {each}" for each in (best.outcome.reason,) if each is not None),
        "# The best of many in sample is in part luck: the figures out of sample are what to believe.",
        f"# Use it with: naivectl settings {symbol} --from FILE",
        f'symbol = "{symbol}"',
        "",
        "[settings]",
    ]
    for name, value in documents.settings(best.settings).items():
        text = str(value) if isinstance(value, int) else f'"{"none" if value is None else value}"'
        line = f"{name} = {text}"
        lines.append(line if name in grid.given else f"# {line}  # not given; the default of the sweep")
    return "\n".join(lines) + "\n"


def _hash(source: Source) -> str:
    return f", sha256 {source.sha256}" if source.sha256 else ""


def _figures(where: str, figures: Figures | None, quote: str) -> list[str]:
    if figures is None:
        return [f"# {where}: not run"]
    found = figures.summary
    held, cycles = found["unrealized_profit"], found["cycles"]
    return [
        f"# {where}: {found['first_trade_at']} to {found['last_trade_at']}, {found['trades_scanned']} trades:",
        f"#   profit {found['profit']} {quote} in {cycles} cycles, {held} on coins that are held at the end;",
        f"#   drawdown {found['max_drawdown']}, tied up at most {found['max_tied_up']};",
        f"#   buy and hold {found['buy_and_hold']}",
    ]
