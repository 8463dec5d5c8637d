"""A journal that is migrated and new: copied, because to migrate one is a third of a start."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from naived.database.engine import parse_url
from naived.database.migrate import migrate


def copy_new_journal(path: Path) -> None:
    """An SQLite database as the first start leaves it, but for the deployment that is in it from then on."""
    shutil.copyfile(_made(), path)
    path.chmod(0o600)


@cache
def _made() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="naived-journal-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    migrate(parse_url(f"sqlite:///{directory / 'new.db'}"))
    return directory / "new.db"
