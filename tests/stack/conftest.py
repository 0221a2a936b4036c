"""The stack fixture of this folder."""

from tests.stack.live import stack

__all__ = ["stack"]
