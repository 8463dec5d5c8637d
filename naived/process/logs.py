"""Logging: the records of structlog and of the standard library, one a line, to stderr, without secrets.

Secrets are removed from the finished line, so their origin does not matter: a value, the message of a library, the
text of an exception.
"""

import json
import logging
import os
import re
from collections.abc import Iterable
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from naived.process.complaint import printable, printable_lines
from naived.process.log_stream import Stream, standard

# A shorter secret may be a common word: removing it would make the log unreadable.
_SHORTEST_SECRET = 6
_NO_SECRETS = ("naived", "postgres")  # passwords that many of our texts have in other words, and so never tell

# `signature=...`, `"apiKey": "..."`, and both inside JSON inside JSON; the value ends at a quote or a separator.
# An escape is matched whole or not at all: half of one would leave a line that is not JSON.
_SIGNED = re.compile(
    r"""(?i)\b(signature|api_?key|x-mbx-apikey)"""
    r"""([\\"']*(?:\s|\\+[nrt])*[=:](?:\s|\\+[nrt])*(?:\\*["'])?)"""
    r"""(?:\\+u[0-9a-f]{4}|[^\s\\"'&,}\]])+"""
)

_QUIET = ("alembic", "sqlalchemy", "trio-websocket")  # their INFO records do not concern trading


def configure(
    form: Literal["console", "json"], level: str, secrets: Iterable[str] = (), stream: Stream | None = None
) -> None:
    """Send every record from ``level`` up to ``stream`` (stderr), without any of ``secrets``."""
    stream = standard() if stream is None else stream
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Before the console's own formatter, which prints local variables (and secrets) if Rich is installed.
        structlog.processors.format_exc_info,
    ]
    redact = Redactor(secrets)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(form, stream),
                lambda _logger, _method, line: redact(str(line)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _renderers(form: Literal["console", "json"], stream: Stream) -> list[Processor]:
    match form:
        case "json":
            return [structlog.processors.JSONRenderer()]  # escapes all that is not plain ASCII
        case "console":
            plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
            colors = stream.isatty() and not plain
            return [_escape, structlog.dev.ConsoleRenderer(colors=colors)]


def _escape(_logger: WrappedLogger, _method: str, record: EventDict) -> EventDict:
    """Escape values, so that none can move the cursor or begin a line; a traceback keeps its line ends."""
    for key, value in record.items():
        if key == "exception":
            record[key] = printable_lines(str(value))
        elif not isinstance(value, int | float | None):
            record[key] = printable(str(value))
    return record


class Redactor:
    """Replaces secrets in a text, whatever quoted them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Line by line: a key in PEM has several, and a text that quotes it may have escaped the line ends.
        lines = {line.strip() for secret in secrets for line in secret.splitlines()}
        known = {
            line
            for line in lines
            if len(line) >= _SHORTEST_SECRET and line not in _NO_SECRETS and not line.startswith("-----")
        }
        forms = {form for line in known for form in (line, json.dumps(line)[1:-1], repr(line)[1:-1])}
        longest_first = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub("***", text)
        return _SIGNED.sub(r"\1\2***", text)
