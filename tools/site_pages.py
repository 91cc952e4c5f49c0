"""Used by mkdocs: gives files that stand outside docs/ a place on the site, and points links to them there.

So a link such as `../CHANGELOG.md` works in the repository and on the site. `PLACES` lists every such file.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

PLACES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "tools/README.md": "tools.md",
    "uhrbat/nano/README.md": "model-card.md",
    "assets/screenshots/light.png": "pictures/explorer.png",
    "assets/findings/frontier.png": "pictures/frontier.png",
}
"""A file's path in the repository, and its place on the site."""
INSTEAD = {"README.md": "index.md"}
"""Files that the site shows another page for."""
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that stand outside docs/."""
    from pathlib import Path

    from mkdocs.structure.files import File

    root = Path(config.config_file_path).parent
    for source, place in PLACES.items():
        files.append(File.generated(config, place, abs_src_path=str(root / source)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Point the links of a page to where their files are on the site."""
    return site_links(markdown, page.file.src_uri)


def site_links(markdown: str, place: str) -> str:
    """Markdown of the page at `place` on the site, its relative links changed from the repository's to the site's."""
    sources = {place: source for source, place in PLACES.items()}
    here = sources.get(place, f"docs/{place}")

    def changed(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), found[2]))
        new = (PLACES | INSTEAD).get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if new is None:
            return found[0]
        return f"{found[1]}{posixpath.relpath(new, posixpath.dirname(place) or '.')}{found[3] or ''}{found[4]}"

    return LINK.sub(changed, markdown)
