"""The few errors this project raises on purpose. Callers catch them by meaning and show their message."""


class UHRBATError(Exception):
    """Base of every error raised on purpose; its message names the input and says what to do."""


class ImageError(UHRBATError):
    """A file cannot be read as an image, is refused, or is over a declared limit."""


class InputError(UHRBATError, ValueError):
    """A question, budget, box or setting is not usable as given."""


class CheckpointError(UHRBATError):
    """A model checkpoint is missing, incomplete, or does not fit what was asked of it."""


class WorkerError(UHRBATError):
    """The model worker failed, died, or cannot be reached."""


class BusyError(WorkerError):
    """The model worker is serving other requests and takes no more for now."""


class Cancelled(UHRBATError):
    """The work was stopped because the user asked for it."""


def quoted(value: object, most: int = 80) -> str:
    """What somebody gave, as an error message quotes it: `repr`, cut to `most` characters."""
    if isinstance(value, str | bytes | list | tuple) and len(value) > most:
        value = value[:most]
    text = repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice, on the host or on a device."""
    text = str(error).lower()
    facts = any(words in text for words in ("out of memory", "can't allocate memory", "not enough memory"))
    named = type(error).__name__ == "OutOfMemoryError"  # torch's, which is not imported here
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and (facts or named))
