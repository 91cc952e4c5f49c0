"""UHR-BAT: which visual tokens a budget-aware vision-language model keeps, merges and drops, and what it answers.

from uhrbat import UHRBAT
model = UHRBAT.from_pretrained("nano")
view = model.encode("harbour.tif").ask("How many ships are in the harbour?")
view.select(3000).answer()
"""

__version__ = "0.1.0"
__all__ = ["UHRBAT", "Settings", "__version__"]


def __getattr__(name: str):
    # torch and transformers take seconds to import; rooms that need neither (scenes, square) must not wait for them.
    if name in ("UHRBAT", "Settings"):
        from uhrbat import engine

        return getattr(engine, name)
    raise AttributeError(name)
