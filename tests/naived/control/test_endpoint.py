import errno
import os
import socket
import stat
from contextlib import closing, suppress
from pathlib import Path

import pytest
import trio

from naived.control.endpoint import Endpoint, EndpointError, peer_of


@pytest.fixture
def home(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path


async def test_a_stale_socket_is_replaced(home):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(os.fspath(home / "control.sock"))
    with closing(Endpoint(home / "control.sock")):
        await (await trio.open_unix_socket(home / "control.sock")).aclose()


@pytest.mark.parametrize("backlog", [1, 0])
async def test_a_socket_that_somebody_listens_at_is_not_replaced(home, backlog):
    path = home / "control.sock"
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as client:
        other.bind(os.fspath(path))
        other.listen(backlog)
        client.connect(os.fspath(path))
        with pytest.raises(EndpointError, match="another naived listens at"):
            Endpoint(path)
        assert [each.name for each in home.iterdir()] == ["control.sock"]


async def test_a_socket_that_another_daemon_took_over_is_left_alone(home):
    path = home / "control.sock"
    with closing(Endpoint(path)):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(os.fspath(path))
    assert stat.S_ISSOCK(path.lstat().st_mode)


async def test_a_socket_that_was_removed_is_made_anew_and_one_in_its_place_is_left_alone(home):
    path = home / "control.sock"
    with closing(Endpoint(path)) as endpoint:
        assert not endpoint.restore()
        path.unlink()
        assert endpoint.restore()
        async with await trio.open_unix_socket(path), endpoint.listener as listener:
            await (await listener.accept()).aclose()
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        path.unlink()
        path.touch()
        assert not endpoint.restore()
        path.unlink()
        home.chmod(0o777)
        with pytest.raises(EndpointError, match="others may write to"):
            endpoint.restore()
        home.chmod(0o700)
    assert not path.exists()


async def test_the_peer_is_named_by_the_kernel(home):
    with closing(Endpoint(home / "control.sock")) as endpoint:
        client = await trio.open_unix_socket(home / "control.sock")
        async with endpoint.listener as listener:
            accepted = await listener.accept()
        assert peer_of(accepted.socket) == (os.getpid(), os.geteuid())
        await client.aclose()
        await accepted.aclose()


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
async def test_a_directory_others_may_write_to_is_refused(home, mode):
    home.chmod(mode)
    with pytest.raises(EndpointError, match="chmod go-w"):
        Endpoint(home / "control.sock")
    assert list(home.iterdir()) == []


async def test_a_directory_that_is_a_link_is_refused(home):
    (home / "real").mkdir(0o700)
    (home / "link").symlink_to(home / "real")
    with pytest.raises(EndpointError, match="not a link"):
        Endpoint(home / "link" / "control.sock")


async def test_a_missing_directory_is_named(home):
    with pytest.raises(EndpointError, match="nowhere: No such file"):
        Endpoint(home / "nowhere" / "control.sock")


async def test_a_directory_of_another_user_is_refused(home, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(EndpointError, match="belongs to another user"):
        Endpoint(home / "control.sock")


async def test_a_file_that_is_no_socket_is_never_replaced(home):
    path = home / "precious.txt"
    path.write_text("data")
    with pytest.raises(EndpointError, match="not a socket"):
        Endpoint(path)
    assert path.read_text() == "data"


async def test_the_longest_path_works_and_one_byte_more_is_explained(home):
    room = 107 - len(os.fsencode(home)) - 1
    Endpoint(home / ("x" * room)).close()
    with pytest.raises(EndpointError, match="108 bytes long, the system allows 107"):
        Endpoint(home / ("x" * (room + 1)))


async def test_a_client_that_no_server_serves_waits_for_the_end_of_the_endpoint(home):
    with closing(Endpoint(home / "control.sock")) as endpoint:
        await endpoint.listener.aclose()
        client = await trio.open_unix_socket(home / "control.sock")
        with trio.move_on_after(0.05) as waiting:
            await client.receive_some()
        assert waiting.cancelled_caught
    with trio.fail_after(5), suppress(trio.BrokenResourceError):
        assert await client.receive_some() == b""
    await client.aclose()


async def test_a_file_that_is_in_the_way_of_the_unfinished_socket_is_left_alone(home):
    file = home / f".{os.getpid()}"
    file.write_text("data")
    with pytest.raises(EndpointError, match="Address already in use"):
        Endpoint(home / "control.sock")
    assert file.read_text() == "data"


async def test_a_socket_of_another_kind_is_not_replaced(home):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(os.fspath(home / "control.sock"))
        with pytest.raises(EndpointError, match="another naived listens at"):
            Endpoint(home / "control.sock")
    Endpoint(home / "control.sock").close()


async def test_a_socket_that_we_may_not_connect_to_is_not_said_to_be_anothers(home, monkeypatch):
    path = home / "control.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(os.fspath(path))

    def refused(self, address):
        raise PermissionError(errno.EACCES, "Permission denied", address)

    monkeypatch.setattr(socket.socket, "connect", refused)
    with pytest.raises(EndpointError, match=r"we may not connect to .* Remove it if none does"):
        Endpoint(path)
    assert path.is_socket()


async def test_the_root_is_no_socket():
    with pytest.raises(EndpointError, match="/ is no file"):
        Endpoint(Path("/"))


async def test_a_directory_that_we_may_not_look_into_is_no_crash(home, monkeypatch):
    real = Path.lstat

    def refused(path):
        if path.name == "control.sock":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "lstat", refused)  # root may look into any directory
    with pytest.raises(EndpointError, match=r"control\.sock: Permission denied"):
        Endpoint(home / "control.sock")
