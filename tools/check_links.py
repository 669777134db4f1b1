"""Finds links within built pages that lead nowhere: no file, or no such place in it.

Run: python tools/check_links.py FOLDER_OF_HTML
"""

import argparse
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Collects the links of a page and the places that links may lead to."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.links += [values[name] for name in ("href", "src") if values.get(name)]
        self.places |= {values[name] for name in ("id", "name") if values.get(name)}


def broken_links(folder: Path) -> list[str]:
    """Returns a line for each link within the pages of a folder that leads nowhere."""
    pages = {path.resolve(): Page(path) for path in sorted(folder.rglob("*.html"))}
    return [
        f"{path.relative_to(folder.resolve())}: {link}"
        for path, page in pages.items()
        for link in page.links
        if not leads_somewhere(path, link, pages)
    ]


def leads_somewhere(path: Path, link: str, pages: dict[Path, Page]) -> bool:
    """True if a link of a page leads to a place that is there, or to another site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return False
    place = unquote(parts.fragment)
    return not place or target not in pages or place in pages[target].places


def main(arguments: list[str] | None = None) -> None:
    """Prints the broken links, and ends with an error if there are some."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    broken = broken_links(parser.parse_args(arguments).folder)
    if broken:
        raise SystemExit("These links lead nowhere:\n" + "\n".join(broken))


if __name__ == "__main__":
    main()
