"""How runs get processes of their own."""

from multiprocessing import get_context

FORK = get_context("fork")  # what other kinds begin with, since Python 3.14 the default, lacks what is in __main__
