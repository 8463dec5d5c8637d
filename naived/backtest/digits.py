"""Decimal text to integers, many fields at once, exactly: eight digits are one 64-bit word.

A field is given by the positions of its first byte and of the byte after its last, in a text with ``PAD`` bytes
before and behind it. A word that ends with a field is shifted until only digits of the field are left; missing ones
count as zeros. Three multiplications then add up its eight digits. Whatever is not plain digits makes the answer
None: the caller reads such text row by row, which says what is wrong with it.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from naived.core.amount import PLACES, SCALE

Bytes: TypeAlias = NDArray[np.uint8]
Words: TypeAlias = NDArray[np.uint64]
Positions: TypeAlias = NDArray[np.int64]

PAD = 32  # bytes before and behind a text, so that words at its edges can be read
_WORD = 8  # bytes
_LONGEST = 19  # digits of the largest int64
_LONGEST_WHOLE = 10  # digits before the point: with 8 after it, an int64 holds all of them
_POINT = ord(".")

_ZEROS = np.uint64(0x3030303030303030)
_ABOVE_NINE = np.uint64(0x7676767676767676)  # added to a byte above 9, it sets the highest bit
_HIGHEST_BITS = np.uint64(0x8080808080808080)
_LOWER_CASE = np.uint64(0x2020202020202020)
_TRUE = np.uint64(int.from_bytes(b"true", "little"))
_FALSE = np.uint64(int.from_bytes(b"false", "little"))


class Text:
    """A text between two pads, and the words at every position of it."""

    def __init__(self, text: bytes) -> None:
        padded = b"".join((bytes(PAD), text, bytes(PAD)))
        self.bytes: Bytes = np.frombuffer(padded, np.uint8)
        self._words: Words = np.ndarray((len(padded) - _WORD + 1,), "<u8", padded, strides=(1,))
        self._points: Positions | None = None

    def whole(self, start: Positions, end: Positions) -> NDArray[np.int64] | None:
        """Fields of one to 19 digits; None if one is anything else, or beyond int64."""
        length = end - start
        shortest, longest = int(length.min()), int(length.max())
        if shortest < 1 or longest > _LONGEST:
            return None
        total: Words | None = None
        scale = 1
        for _ in range(0, longest, _WORD):
            digits = self._ending(end, length, shortest, longest)
            if digits is None:
                return None
            total = digits if total is None else total + digits * np.uint64(scale)
            scale *= 10**_WORD
            end, length = end - _WORD, length - _WORD
            shortest, longest = shortest - _WORD, longest - _WORD
        assert total is not None
        if scale > 10 ** (2 * _WORD) and int(total.max()) > np.iinfo(np.int64).max:
            return None
        return total.view(np.int64)

    def decimal(self, start: Positions, end: Positions) -> NDArray[np.int64] | None:
        """Fields such as ``2683.80000000`` or ``5`` in 10^-8; None if one is anything else or may exceed int64."""
        point = end - (PLACES + 1)
        if (self.bytes[point] == _POINT).all():
            part = self._parsed(self._words[point + 1] ^ _ZEROS)
        else:
            point = self._point(start, end)
            places = end - point - 1
            if (places == 0).any() or int(places.max()) > PLACES:
                return None
            unused = ((PLACES - np.maximum(places, 0)) * 8).view(np.uint64)
            part = self._parsed(((self._words[point + 1] ^ _ZEROS) << unused) >> unused)
        if part is None or int((point - start).max()) > _LONGEST_WHOLE:
            return None
        whole = self.whole(start, point)
        return None if whole is None else whole * SCALE + part.view(np.int64)

    def flags(self, start: Positions, end: Positions) -> bool:
        """Is every field ``True`` or ``False``, in whatever case?"""
        length = end - start
        word = self._words[end - _WORD] | _LOWER_CASE
        is_true = (length == 4) & (word >> np.uint64(32) == _TRUE)
        is_false = (length == 5) & (word >> np.uint64(24) == _FALSE)
        return bool((is_true | is_false).all())

    def _ending(self, end: Positions, length: Positions, shortest: int, longest: int) -> Words | None:
        """The last eight digits of each field, or as many as it has."""
        word = self._words[end - _WORD] ^ _ZEROS
        if shortest < _WORD:
            unused: Words | np.uint64
            if shortest == longest:
                unused = np.uint64((_WORD - longest) * 8)
            else:
                used = length if shortest >= 0 and longest <= _WORD else np.clip(length, 0, _WORD)
                unused = ((_WORD - used) * 8).view(np.uint64)
            word = (word >> unused) << unused
        return self._parsed(word)

    @staticmethod
    def _parsed(word: Words) -> Words | None:
        """The numbers that eight bytes of digits are, the first digit in the lowest byte; changes ``word``."""
        if (((word + _ABOVE_NINE) | word) & _HIGHEST_BITS).any():
            return None
        word *= np.uint64(1 + (10 << 8))
        word >>= np.uint64(8)
        word &= np.uint64(0x00FF00FF00FF00FF)
        word *= np.uint64(1 + (100 << 16))
        word >>= np.uint64(16)
        word &= np.uint64(0x0000FFFF0000FFFF)
        word *= np.uint64(1 + (10_000 << 32))
        word >>= np.uint64(32)
        return word

    def _point(self, start: Positions, end: Positions) -> Positions:
        """Where each field has its first point: at its end if it has none."""
        if self._points is None:
            self._points = np.append(np.flatnonzero(self.bytes == _POINT), len(self.bytes))
        return np.minimum(self._points[np.searchsorted(self._points, start)], end)
