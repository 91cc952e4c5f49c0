"""A WordNet of a few nouns, written in its own file format, for where nltk's data is not installed."""

from pathlib import Path

NOUNS = (("entity",), ("car", "auto", "automobile"), ("gray", "grey"), ("two", "2"), ("ship", "vessel"), ("boat",))
"""Words of one meaning each; all are kinds of the first."""


def write(folder: Path) -> Path:
    """Write the files that nltk's reader opens."""
    folder.mkdir(parents=True)
    for name in ("cntlist.rev", "index.sense", *(f"{kind}.exc" for kind in ("adj", "adv", "noun", "verb"))):
        (folder / name).touch()
    for kind in ("adj", "adv", "verb"):
        (folder / f"index.{kind}").touch()
        (folder / f"data.{kind}").touch()
    (folder / "lexnames").write_text("".join(f"{number:02d}\tnoun.Tops\t1\n" for number in range(4)))
    data, index = "", {}
    for words in NOUNS:
        offset = f"{len(data):08d}"  # a synset is named by its place in the file
        listed = " ".join(f"{word} 0" for word in words)
        pointers = "000" if not data else "001 @ 00000000 n 0000"
        data += f"{offset} 03 n {len(words):02x} {listed} {pointers} | made up  \n"
        index |= dict.fromkeys(words, offset)
    (folder / "data.noun").write_text(data)
    (folder / "index.noun").write_text("".join(f"{word} n 1 0 1 0 {index[word]}  \n" for word in sorted(index)))
    return folder
