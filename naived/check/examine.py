"""All checks, in the order in which they are shown. ``cli`` calls ``examine``. Nothing is created or changed."""

from functools import partial

import trio

from naived.binance.connection import Connect
from naived.check import home, machine
from naived.check.disk import disk
from naived.check.exchange import exchange
from naived.check.home import Daemon
from naived.check.journal import journal
from naived.check.ledger import ledger
from naived.check.rows import Row, ok, refused, skipped
from naived.process.config import Config, ConfigError, Venue
from naived.websocket import connect as connect_websocket


async def examine(config: Config, keys: ConfigError | None, connect: Connect = connect_websocket) -> list[Row]:
    """Every row; ``keys`` is what is wrong with the files of the API keys, which ``config`` then lacks."""
    where, daemon = await trio.to_thread.run_sync(_home, config, abandon_on_cancel=True)
    # At once: a naived that starts meanwhile takes the lock long before it comes to the port.
    where += await machine.metrics(config.metrics_listen, runs=daemon is not None)
    stored, inspection = await journal(config, runs=daemon is not None)
    account = None if inspection is None else inspection.account_uid
    books = await trio.to_thread.run_sync(
        partial(ledger, config, account, runs=daemon is not None), abandon_on_cancel=True
    )
    rows = [_configuration(config), *where, *stored, *books]
    if keys is None:
        rows += [_key_files(config), *await exchange(config, daemon, inspection, connect)]
    else:
        rows.append(refused("key files", keys, "name both with --api-key-file and --api-secret-file"))
        rows.append(skipped("exchange", "without keys nothing is asked"))
    pid = None if daemon is None else daemon.pid
    serious = config.exchange is Venue.BINANCE
    return [*rows, machine.memory(pid), machine.files(pid), machine.unit(pid, serious=serious)]


def _home(config: Config) -> tuple[list[Row], Daemon | None]:
    directory = home.home(config.home)
    if directory.unusable or not config.home.exists():
        answer, daemon = home.control_socket(config.socket, config.home, None)
        none = [skipped(name, "there is no home to use") for name in ("lock", "disk space", "disk writes")]
        return [directory, none[0], answer, *none[1:]], daemon
    holder, daemon = home.lock(config.home)
    answer, daemon = home.control_socket(config.socket, config.home, daemon)
    return [directory, holder, answer, *disk(config.home)], daemon


def _configuration(config: Config) -> Row:
    return ok("configuration", f"exchange {config.exchange}, socket {config.socket}")


def _key_files(config: Config) -> Row:
    if config.api_keys is None:
        return skipped("key files", f"{config.exchange} needs no key")
    pem = config.api_keys.secret.reveal().startswith("-----BEGIN ")
    return ok("key files", f"closed to others; the secret is {'a private key in PEM' if pem else 'one of HMAC'}")
