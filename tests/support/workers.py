"""How runs get processes of their own."""

from multiprocessing import get_context

# Processes of another kind, which are the default since Python 3.14, do not have what is in __main__.
FORK = get_context("fork")
