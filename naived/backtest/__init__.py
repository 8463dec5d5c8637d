"""The engine that trades live, run over recorded trades. Needs numpy, the extra ``backtest``; no daemon does."""
