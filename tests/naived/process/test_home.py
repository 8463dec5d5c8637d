import os
from pathlib import Path

import pytest

from naived.process.config import ConfigError
from naived.process.home import prepare_home


def test_a_home_is_made_for_us_alone_with_its_parents(tmp_path: Path) -> None:
    home = tmp_path / "state" / "naived"
    before = os.umask(0)
    try:
        prepare_home(home)
    finally:
        os.umask(before)
    assert home.stat().st_mode & 0o777 == 0o700
    prepare_home(home)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_home_that_others_can_write_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    with pytest.raises(ConfigError, match=r"can be written by others.*chmod 700"):
        prepare_home(home)


def test_a_home_that_is_a_link_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(ConfigError, match="is a link or a file"):
        prepare_home(tmp_path / "link")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot make the home"):
        prepare_home(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_home_of_another_user_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 12345, -1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        prepare_home(home)
