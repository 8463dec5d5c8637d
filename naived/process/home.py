"""The home of a naived: a directory of ours that nobody else can change, made at the first start."""

import os
import shlex
import stat
from pathlib import Path

from naived.process.config import ConfigError, refused_by_system


def prepare_home(home: Path) -> None:
    """Create the home (0700) if there is none; raises ConfigError if another user could change it."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise refused_by_system(f"cannot make the home {home}: {error.strerror}", error) from error
    check_home(home)


def check_home(home: Path) -> os.stat_result:
    """Its status; raises ConfigError if it is not there, or another user could change it."""
    try:
        status = home.lstat()
    except OSError as error:
        raise refused_by_system(f"cannot look at the home {home}: {error.strerror}", error) from error
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigError(f"the home {home} is a link or a file. Name the directory itself with --home")
    if status.st_uid != os.geteuid():
        raise ConfigError(
            f"the home {home} belongs to another user. Start it as user {status.st_uid}, or choose another --home"
        )
    if status.st_mode & 0o022:
        mend = f"chmod 700 {shlex.quote(str(home))}"
        raise ConfigError(f"the home {home} can be written by others. Mend it with: {mend}")
    return status
