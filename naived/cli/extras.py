"""What to type about a library that is no part of a plain naived. Each is named by an extra of pyproject.toml.

naived is on no index of packages: whoever installed that name from one would get a stranger's program.
"""

from naived.process.config import ConfigError


def missing(what: str, extra: str) -> ConfigError:
    """The error where ``what``, as in "a sweep needs numpy", is not installed."""
    return ConfigError(
        f"{what}. Install it from naived's sources, as naived was: pip install '.[{extra}]', "
        f"pipx install --force '.[{extra}]' or uv sync --extra {extra}"
    )
