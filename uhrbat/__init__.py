"""UHR-BAT: which visual tokens a budget-aware vision-language model keeps, merges and drops, and what it answers.

from uhrbat import UHRBAT
engine = UHRBAT.from_pretrained("nano")
image = engine.encode("harbour.tif")
question = image.ask("How many ships are there?")
question.select(3000).answer()
"""

import warnings

__version__ = "0.2.0"
__all__ = ["UHRBAT", "EncodedImage", "Question", "SelectedTokens", "Settings", "__version__"]

_ROOMS = {
    "UHRBAT": "engine",
    "EncodedImage": "encoded",
    "Question": "question",
    "SelectedTokens": "question",
    "Settings": "settings",
}
_RENAMED = {"EncodedScene": "EncodedImage", "View": "Question", "SceneSelection": "SelectedTokens"}
"""Names of version 0.1, for one version more."""


def __getattr__(name: str) -> object:
    # torch and transformers take seconds to import; rooms that need neither (worlds, geometry) must not wait for them.
    from importlib import import_module

    if name in _RENAMED:
        warnings.warn(f"uhrbat.{name} is now uhrbat.{_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        name = _RENAMED[name]
    if name in _ROOMS:
        return getattr(import_module(f"uhrbat.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'uhrbat' has no attribute '{name}'")
