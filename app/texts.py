"""Texts as a browser can be sent them."""

from uhrbat.errors import UHRBATError


def whole(text: str) -> str:
    """A text without halves of characters, which no message can hold."""
    return text.encode("utf-8", "ignore").decode()


def sentence(error: UHRBATError) -> str:
    """An error as it is shown; it may quote what somebody typed or made."""
    return whole(str(error))
