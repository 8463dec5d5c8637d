"""What is said to the control socket: valid requests by the protocol's grammar, and ways to spoil them.

Everything comes from one seeded ``random.Random``: a seed says the same lines again.
"""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

SYMBOLS = ("ETHUSDT", "BTCUSDT", "BNBUSDT", "SOLUSDT")  # what requests steer
BYSTANDER = "XRPUSDT"  # configured, and named by no request: whatever changes it was not asked for

LONGEST = 64 * 1024  # bytes of a line


class Case(NamedTuple):
    """One execution: how it was made, and its line without the newline."""

    kind: str
    line: bytes


class Raw(str):
    """JSON as it stands, valid or not."""


class Pairs(list[tuple[str, Any]]):
    """An object whose keys may be there twice."""


def write(value: object, space: str = "") -> str:
    """JSON text, or what looks like it."""
    match value:
        case Raw():
            return str(value)
        case Pairs() | dict():
            pairs = value.items() if isinstance(value, dict) else value
            body = f",{space}".join(f"{json.dumps(name)}:{space}{write(part, space)}" for name, part in pairs)
            return f"{{{body}}}"
        case list():
            return f"[{f',{space}'.join(write(part, space) for part in value)}]"
        case _:
            return json.dumps(value)


HOSTILE_TEXTS = (
    "",
    " ",
    '";DROP TABLE settings;--',
    "../../x",
    "\x1b[2J",
    "\x9b2J",
    "\x1b]0;owned\x07",
    "\x00",
    "ETHUSDT\x00",
    "ETHUSDT\n",
    "ETH\r\nUSDT",
    "１２３",  # noqa: RUF001 - fullwidth digits
    "ＥＴＨＵＳＤＴ",  # noqa: RUF001 - and letters
    "ETHU\u017fDT",  # a long s is an S in upper case
    "B\u0131FIUSDT",  # a dotless i is an I in upper case
    "\u202eTDSUHTE",
    "ETH\u200bUSDT",
    "\ufeffETHUSDT",
    "币安人生USDT",
    "%s%n{0}${HOME}`id`",
    "signature=\u00e9\u00e9",
    'api_key="\u00e9',
    "'signature': '\\u0041'",
    "E" * 33,
    "E" * 5_000,
    "\U0001f680USDT",
)

ODD_VALUES: tuple[object, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    -0.0,
    2**53,
    -(2**63),
    10**400,
    "",
    "1",
    [],
    {},
    [None],
    ["ETHUSDT", 1],
    [["ETHUSDT"]],
    {"ETHUSDT": 1},
    Raw("NaN"),
    Raw("-Infinity"),
    Raw("Infinity"),
    Raw("1e400"),
    Raw("-0"),
    Raw("01"),
    Raw("+1"),
    Raw("1."),
    Raw(".5"),
    Raw("0x10"),
    Raw("9" * 5_000),
    Raw("9" * 4_300),
    Raw(r'"\ud800"'),
    Raw(r'"\udfff\ud800"'),
    Raw(r'"\ud83d\ude80"'),
    Raw(r'"\x41"'),
    Raw("'ETHUSDT'"),
    Raw('"a\tb"'),
    Raw("[" * 200 + "]" * 200),
    Raw("[" * 30_000 + "]" * 30_000),
    Raw('{"a":' * 5_000 + "1" + "}" * 5_000),
    Raw("[1,]"),
    Raw("tru"),
    Raw("//"),
)

ODD_IDS = (*ODD_VALUES, "i" * 64, "i" * 65, "\x1b[2J", 2**53 - 1, -(2**53) + 1, 2**53, 10**30)

_AMOUNTS = ("100", "250.5", "999", "1000", "5000", "123.45678901", "99999999999999999999", "0", "-5", "1e3")
_RATES = ("0.001", "0.1%", "0.02", "0", "1", "0.00000001", "100%", "0.000000001", "５%")  # noqa: RUF001


class Grammar:
    """The requests and their spoiled forms, without end."""

    def __init__(self, seed: object) -> None:
        self.random = random.Random(str(seed))
        self._number = 0

    def cases(self) -> Iterator[Case]:
        while True:
            yield self.case()

    def case(self) -> Case:
        """The next one; a fifth of them is valid."""
        kind, make = self.random.choice(_KINDS)
        return Case(kind, make(self))

    # Valid

    def request(self) -> dict[str, Any]:
        method = self.random.choice(_METHODS)
        self._number += 1
        number: int | str = self._number if self.random.random() < 0.8 else f"id-{self._number}"
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": self.params(method)}

    def params(self, method: str) -> dict[str, Any]:
        dice = self.random
        params: dict[str, Any] = {}
        if method == "hello":
            return {"proto": 1, "client": "fuzz"}
        if method == "limits":
            return {name: dice.choice((*_AMOUNTS, "none")) for name in dice.sample(("max_exposure", "reserve"), 1)}
        if method in ("explain", "why"):
            params = {"symbols": [dice.choice(SYMBOLS)]}
            return params if method == "explain" else {**params, "client_order_id": dice.choice(("a", "n1xxxx-a"))}
        if method in ("status", "watch", "orders", "trades", "events"):
            params = {"symbols": self.symbols(0)}
            if method in ("orders", "trades", "events"):
                params |= dice.choice(
                    ({}, {"limit": 5}, {"after": 0, "limit": 3}, {"since": "2026-01-01T00:00:00Z"})
                )
            return params
        params = {"symbols": self.symbols(0 if method in ("halt", "resume") else 1)}
        if method in ("start", "stop", "shutdown"):
            params |= dice.choice(({"wait": False}, {"wait": True, "timeout": "100ms"}))
        if method in ("start", "settings"):
            params |= self.settings()
        if method in ("start", "stop", "resolve") and dice.random() < 0.1:
            params["dry_run"] = True
        match method:
            case "stop":
                params["cancel"] = dice.choice(("none", "buys", "all"))
            case "shutdown":
                params["keep_buys"] = dice.random() < 0.5
            case "halt":
                params |= dice.choice(({}, {"reason": "news", "keep_buys": True}, {"reason": "r" * 200}))
            case "wait":
                params |= {"for": dice.choice(("off", "trading", "drained")), "timeout": "10ms"}
            case "resolve":
                params["symbols"] = [dice.choice(SYMBOLS)]
                params["action"] = dice.choice(("adopt", "ignore"))
                params |= dice.choice(({"all": True}, {"client_order_id": "n1xxxx-nothing"}))
        if method != "wait" and dice.random() < 0.5:
            params["request_id"] = f"{dice.getrandbits(64):x}"
        return params

    def symbols(self, least: int) -> list[str]:
        names = self.random.sample(SYMBOLS, self.random.randint(least, 2))
        return [name.lower() if self.random.random() < 0.1 else name for name in names]

    def settings(self) -> dict[str, Any]:
        dice = self.random
        made: dict[str, Any] = {
            "chunks": dice.choice((1, 3, 5, 7, 1000, 1001)),
            "budget": dice.choice(_AMOUNTS),
            **{name: dice.choice(_RATES) for name in ("buy_down", "profit", "rebuy", "reprice")},
            **{name: dice.choice(_RATES) for name in ("max_deviation", "spacing")},
            **{name: dice.choice((*_AMOUNTS, "none")) for name in ("floor", "ceiling")},
        }
        return {name: made[name] for name in dice.sample(list(made), dice.randint(0, 3))}

    # Spoiled

    def structure(self) -> bytes:
        """One part of the request is another one, gone, there twice, or too much."""
        dice = self.random
        request = self.request()
        params: dict[str, Any] = request["params"]
        match dice.randrange(9):
            case 0:
                request["id"] = dice.choice(ODD_IDS)
            case 1:
                del request[dice.choice(list(request))]
            case 2:
                request[dice.choice(("jsonrpc", "method", "params"))] = dice.choice(ODD_VALUES)
            case 3:
                request[dice.choice(("extra", "Id", "ID ", "__proto__", "method\x00"))] = dice.choice(ODD_VALUES)
            case 4 if params:
                params[dice.choice(list(params))] = dice.choice(ODD_VALUES)
            case 5:
                params[dice.choice((*_PARAMS, "symbol", "Symbols", "__class__", "\x1b"))] = dice.choice(ODD_VALUES)
            case 6 if params:
                params[dice.choice(list(params))] = dice.choice(HOSTILE_TEXTS)
            case 7 if params:
                name = dice.choice(list(params))
                twice = Pairs([*params.items(), (name, dice.choice((params[name], *ODD_VALUES)))])
                return write({**request, "params": twice}).encode()
            case _:
                name = dice.choice(list(request))
                other = self.request()
                return write(Pairs([*request.items(), (name, other[name])])).encode()
        return write(request, dice.choice(("", "", " ", "\t", "\r"))).encode()

    def symbols_hostile(self) -> bytes:
        """Names that are none, and many of them."""
        dice = self.random
        request = self.request()
        names = [dice.choice(HOSTILE_TEXTS) for _ in range(dice.choice((1, 1, 2, 5)))]
        if dice.random() < 0.03:
            names = [f"Q{number:04d}" for number in range(dice.choice((100, 6_000, 10_000)))]
        request["params"] = {**request["params"], "symbols": names}
        return write(request).encode("utf-8")

    def texts_hostile(self) -> bytes:
        """Text parameters of requests that are otherwise well formed."""
        request = self.request()
        request["method"] = self.random.choice(("start", "settings", "resolve"))
        request["params"] = self.params(request["method"])
        for name in self.random.sample(("request_id", "budget", "profit", "client_order_id", "timeout"), 2):
            request["params"][name] = self.random.choice(HOSTILE_TEXTS)
        return write(request).encode("utf-8")

    def bytes_spoiled(self) -> bytes:
        """Bits of a valid line flipped, bytes taken out, put in, doubled."""
        dice = self.random
        line = bytearray(self.valid())
        for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
            place = dice.randrange(len(line) + 1)
            match dice.randrange(5):
                case 0 if place < len(line):
                    line[place] ^= 1 << dice.randrange(8)
                case 1 if place < len(line):
                    line[place] = dice.randrange(256)
                case 2:
                    del line[place : place + dice.randint(1, 8)]
                case 3:
                    line[place:place] = dice.choice(_INSERTS)
                case _:
                    line[place:place] = line[place : place + dice.randint(1, 20)]
        return bytes(line)

    def framed(self) -> bytes:
        """A valid line in another encoding, with a mark before it, cut, or glued to another one."""
        dice, line = self.random, self.valid()
        match dice.randrange(8):
            case 0:
                return b"\xef\xbb\xbf" + line
            case 1:
                return line.decode("ascii", "replace").encode(dice.choice(("utf-16", "utf-16-le", "utf-32")))
            case 2:
                return line + dice.choice((b"\r", b"\x00", b" ", b"\t\r", b"\x1a", b"}"))
            case 3:
                return dice.choice((b"\x00", b" ", b"\r", b"\x0b", b"\xc2\xa0")) + line
            case 4:
                return line[: dice.randrange(len(line))]
            case 5:
                return line + line
            case 6:
                return b"[" + line + b"]"
            case _:
                return dice.choice((b"", b"\x00" * dice.randint(1, 99), b"GET / HTTP/1.1\r", dice.randbytes(40)))

    def long(self) -> bytes:
        """A valid line at the limit of its length, one byte below, one above, and deep ones."""
        dice = self.random
        if dice.random() < 0.2:
            return dice.choice((b"[" * LONGEST, b'{"a":' * 13_000, b"9" * LONGEST, b'"' * LONGEST, b"\\" * 60_000))
        line = self.valid()
        return line + b" " * (LONGEST + dice.choice((-1, 0, 1, 7)) - len(line))

    def valid(self) -> bytes:
        return write(self.request()).encode("utf-8")


_METHODS = (
    *("hello", "status", "watch", "start", "stop", "shutdown", "settings"),
    *("orders", "trades", "events", "wait", "resolve", "settings", "status", "explain", "why", "halt", "resume"),
    "limits",
)
_PARAMS = (
    *(
        "symbols",
        "all",
        "request_id",
        "wait",
        "timeout",
        "cancel",
        "keep_buys",
        "chunks",
        "budget",
        "buy_down",
        "reason",
    ),
    *(
        "reason",
        "profit",
        "rebuy",
        "reprice",
        "max_deviation",
        "spacing",
        "floor",
        "ceiling",
        "dry_run",
        "limit",
        "since",
        "after",
        "follow",
        "after_seq",
        "for",
        "action",
        "proto",
    ),
)
_INSERTS = (
    *(b"\x00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xae", b"\x1b[2J"),
    *(b"\r", b'"', b"\\", b"\\u0000", b"{", b"}", b"[", b"]", b",", b":", b"1e999", b"NaN", b"9" * 30),
)
_KINDS: tuple[tuple[str, Callable[[Grammar], bytes]], ...] = (
    *(("valid", Grammar.valid),) * 5,
    *(("structure", Grammar.structure),) * 7,
    *(("symbols", Grammar.symbols_hostile),) * 2,
    *(("texts", Grammar.texts_hostile),) * 2,
    *(("bytes", Grammar.bytes_spoiled),) * 7,
    *(("framing", Grammar.framed),) * 3,
    ("long", Grammar.long),
)
