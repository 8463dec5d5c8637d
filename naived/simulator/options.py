"""Reads what a connection asks for in its URL: streams, the unit of times, and whether answers list rate limits."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from naived.simulator.errors import ApiError

_UNITS = {"MICROSECOND": True, "microsecond": True, "MILLISECOND": False, "millisecond": False}


@dataclass(frozen=True, slots=True)
class Options:
    """``streams`` are the names in the path, ``combined``: frames name their stream, ``micro``: times are in us."""

    streams: tuple[str, ...]
    combined: bool
    micro: bool
    return_rate_limits: bool


def read_options(target: str) -> Options:
    """The options in a connection's path and query; raises ApiError for what this exchange does not do."""
    url = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    unit = query.get("timeUnit", "MILLISECOND")
    if unit not in _UNITS:
        raise ApiError(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
    if query.get("responseFormat", "json") != "json":
        raise ApiError(-1155, "SBE is not enabled.")
    return Options(
        streams=tuple(named_in(target)),
        combined=url.path.startswith("/stream"),
        micro=_UNITS[unit],
        return_rate_limits=query.get("returnRateLimits") != "false",
    )


def named_in(target: str) -> list[str]:
    """The streams in a connection's path: ``/ws/<stream>`` or ``/stream?streams=a/b``."""
    url = urlsplit(target)
    if url.path.startswith("/ws/"):
        names = url.path.removeprefix("/ws/").split("/")
    else:
        names = "/".join(parse_qs(url.query).get("streams", [])).split("/")
    # Some clients open /ws/0 and subscribe afterwards.
    return [name for name in names if "@" in name]
