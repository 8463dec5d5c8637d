import errno
import os
import re
from pathlib import Path

import pytest

from naived.cli.keys import read_credentials, read_keys
from naived.process.config import ApiKeys, ConfigError, Secret

PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIExampleExampleExample\n-----END PRIVATE KEY-----"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def keys(folder: Path, key: str = "the-key\n", secret: str = "the-secret\n") -> ApiKeys:
    return read_keys(write(folder / "key", key), write(folder / "secret", secret))


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("swordfish")
    assert secret.reveal() == "swordfish"
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}", repr(ApiKeys(secret, secret))):
        assert "swordfish" not in shown


def test_secrets_are_equal_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_an_hmac_pair_is_read_without_its_line_ends(tmp_path: Path) -> None:
    pair = keys(tmp_path)
    assert (pair.key.reveal(), pair.secret.reveal()) == ("the-key", "the-secret")


def test_a_private_key_in_pem_is_recognised_by_its_content(tmp_path: Path) -> None:
    pair = keys(tmp_path, secret=f"{PEM}\n")
    assert pair.secret.reveal() == PEM


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644])
def test_a_file_that_is_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    good = write(tmp_path / "good", "x")
    bad = write(tmp_path / "bad", "x", mode)
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(ConfigError, match=rf"bad is open to others \(mode {mode:04o}\).*chmod 600 .*bad"):
            read_keys(*pair)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_accepted(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path / "key", "x", mode)
    assert read_keys(file, file).key.reveal() == "x"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good", "x"), write(tmp_path / "bad", "x")
    os.chown(bad, 12345, -1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        read_keys(bad, good)


def test_what_is_no_regular_file_is_refused_without_waiting_on_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(ConfigError, match="not a regular file"):
        read_keys(pipe, pipe)
    with pytest.raises(ConfigError, match="Is a directory"):
        read_keys(tmp_path, tmp_path)


def test_an_absent_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the key file .*absent: No such file"):
        read_keys(tmp_path / "absent", tmp_path / "absent")


@pytest.mark.parametrize(
    "secret", ["NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j", PEM, PEM * 9]
)
def test_a_key_in_place_of_its_file_is_not_quoted(tmp_path: Path, secret: str) -> None:
    with pytest.raises(ConfigError, match="whose name looks like a key") as caught:
        read_keys(write(tmp_path / "key", "k"), tmp_path / secret)
    assert secret[30:50] not in f"{caught.value}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("key", "secret", "reason"),
    [
        ("", "s", "is empty"),
        ("k\n\n", "  \n", "is empty"),
        ("two keys", "s", "the API key on one line"),
        ("k", "two\nsecrets", "the HMAC secret on one line, or a private key in PEM"),
        ("k", "é", "is not plain text"),
        ("k", "s" * 20_000, "is longer than"),
        ("k", "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", "'public key' in PEM"),
        ("k", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nx", "'encrypted private key' in PEM"),
        ("k", "-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nx\r\n", "'encrypted private key' in PEM"),
        ("k", "-----BEGIN RSA PRIVATE KEY-----\nx", "'rsa private key' in PEM"),
    ],
)
def test_content_that_cannot_be_a_key_is_refused(tmp_path: Path, key: str, secret: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        keys(tmp_path, key, secret)
    assert re.search(
        r"\. (Write it anew|Make one: openssl)", str(caught.value)
    )  # what to do is not about its owner
    assert secret not in str(caught.value) or len(secret) < 3


def test_a_refusal_does_not_quote_the_file_even_in_its_cause(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        keys(tmp_path, secret="sécret-of-mine")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_systemd_credentials_are_found_by_their_names(tmp_path: Path) -> None:
    assert read_credentials(tmp_path) is None
    write(tmp_path / "binance.key", "k", 0o440)
    assert read_credentials(tmp_path) is None
    write(tmp_path / "binance.secret", "s", 0o440)
    assert read_credentials(tmp_path) == ApiKeys(Secret("k"), Secret("s"))


def test_systemd_credentials_that_everybody_can_read_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "binance.key", "k", 0o444)
    write(tmp_path / "binance.secret", "s", 0o440)
    with pytest.raises(ConfigError, match="open to others"):
        read_credentials(tmp_path)


def test_credentials_that_we_may_not_look_for_are_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refused)  # root may look into any directory
    with pytest.raises(ConfigError, match=r"Permission denied\. Unset CREDENTIALS_DIRECTORY"):
        read_credentials(tmp_path)
