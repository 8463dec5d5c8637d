"""One client's connection: reads lines, writes frames. Every wait has a limit; the server calls it."""

import select

import trio

from naived.control.protocol import MAX_REQUEST, Code, ControlError

# Seconds. Local clients write at once; these limits end the connection of a hanging or malicious one.
_FIRST_BYTE = 5
_PARTIAL_LINE = 10
_IDLE = 60
_WRITE_STALL = 5

_CHUNK = 64 * 1024  # bytes that a client must read within _WRITE_STALL; the buffer of a Unix socket is larger
_HANGUP_CHECK = 1  # seconds


class GoneError(Exception):
    """The client went away or does not read."""


class Channel:
    """Lines of one client. Only one task may call ``receive`` and ``send``: requests are answered one by one."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._patience = _FIRST_BYTE

    async def receive(self) -> bytes:
        """The next line without its newline, which the last one may lack.

        Raises GoneError, and ControlError if it is too long; then the connection cannot be used any more.
        """
        partial_deadline = trio.current_time() + _PARTIAL_LINE if self._buffer else None
        scanned = 0
        while (end := self._buffer.find(b"\n", scanned)) < 0 and len(self._buffer) <= MAX_REQUEST:
            scanned = len(self._buffer)
            await self._fill(partial_deadline or trio.current_time() + self._patience)
            partial_deadline = partial_deadline or trio.current_time() + _PARTIAL_LINE
        if not 0 <= end <= MAX_REQUEST:
            raise ControlError(Code.INVALID_REQUEST, f"a request is one line of at most {MAX_REQUEST} bytes")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._patience = _IDLE
        return line

    async def _fill(self, deadline: float) -> None:
        with trio.move_on_at(deadline):
            try:
                chunk = await self._stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise GoneError("the connection broke") from error
            if not (chunk or self._buffer):
                raise GoneError("the client closed")
            self._buffer += chunk or b"\n"  # the end of the last line may be left out
            return
        raise GoneError("the client was silent for too long")

    async def send(self, *parts: bytes) -> None:
        """Send all of a frame; raises GoneError, after which the connection cannot be used any more."""
        for part in parts:
            for start in range(0, len(part), _CHUNK):
                try:
                    with trio.fail_after(_WRITE_STALL):
                        await self._stream.send_all(memoryview(part)[start : start + _CHUNK])
                except (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                    raise GoneError("the client does not read") from error

    async def hung_up(self) -> None:
        """Return when the client closed both directions; one that closed only its sending side still reads."""
        poll = select.poll()
        poll.register(self._stream.socket.fileno(), 0)
        while not any(event & select.POLLHUP for _, event in poll.poll(0)):  # noqa: ASYNC110 - it has no event
            await trio.sleep(_HANGUP_CHECK)
