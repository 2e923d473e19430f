"""A Sphinx extension with which the book can be installed and read offline.

It writes the manifest and its icons, and the book's service worker with the list of all files that it saves. What the
worker does with them is said in `service_worker.js`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from PIL import Image, ImageDraw
from sphinx.application import Sphinx

WORKER = "service_worker.js"  # at the book's root, because a worker only serves what is below it
SOURCE = Path(__file__).parents[1] / "_static" / WORKER
SIZE = "_static/offline.json"  # says how much the saved book takes
# Not needed by any page: sources, pictures for messengers, what robots read, the book as one file.
LEFT_OUT = ("_sources/", "_static/previews/", "robots.txt", "sitemap.xml", "objects.inv", ".buildinfo", WORKER, SIZE)
LEFT_OUT_SUFFIXES = (".epub", ".md", ".pdf", ".wat")
BRICK, PAPER = "#0072b2", "#fbfaf6"  # as in favicon.svg and type.css
ICONS = {"icon-192.png": 192, "icon-512.png": 512}  # sizes in pixels that browsers ask for


def icon(size: int) -> Image.Image:
    """The favicon's brick on paper; systems may cut a circle out of it, so the brick keeps to the middle."""
    scale = 4  # drawn larger, then reduced, for smooth edges
    image = Image.new("RGB", (size * scale, size * scale), PAPER)
    draw = ImageDraw.Draw(image)
    unit = size * scale / 54  # the favicon is 32 units wide
    for left, top, right, bottom, radius in ((6, 8, 13, 13, 0), (19, 8, 26, 13, 0), (0, 11, 32, 28, 3)):
        box = [(left + 11) * unit, (top + 9) * unit, (right + 11) * unit, (bottom + 9) * unit]
        draw.rounded_rectangle(box, radius * unit, BRICK)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def manifest(title: str, front: str) -> str:
    """What a browser needs to know to install the book, as JSON; addresses are relative to the book's root."""
    icons = [
        {"src": f"_static/{name}", "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for name, size in ICONS.items()
        for purpose in ("any", "maskable")
    ]
    described = {
        "name": title,
        "short_name": "GPT-2",
        "description": "A course that builds GPT-2 from scratch, brick by brick, with a model in the page.",
        "lang": "en",
        "start_url": f"{front}.html",
        "scope": "./",
        "display": "standalone",
        "background_color": PAPER,
        "theme_color": PAPER,
        "icons": icons,
    }
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


def hashes(site: Path) -> dict[str, str]:
    """The files that are saved, by their paths, with the beginning of each one's SHA-256."""
    found = {path.relative_to(site).as_posix(): path for path in sorted(site.rglob("*")) if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for name, path in found.items()
        if not name.startswith(LEFT_OUT) and path.suffix not in LEFT_OUT_SUFFIXES
    }


def worker(source: str, files: dict[str, str]) -> str:
    """The service worker's text, with the list of files above its source."""
    version = hashlib.sha256(json.dumps([source, files]).encode()).hexdigest()[:16]
    return f"self.BOOK = {json.dumps({'version': version, 'files': files}, indent=0)};\n{source}"


def write_worker(site: Path) -> None:
    """Write the service worker for a built book as it is now."""
    files = hashes(site)
    size = sum((site / name).stat().st_size for name in files)
    (site / SIZE).write_text(json.dumps({"bytes": size}), encoding="utf-8")
    files[SIZE] = hashlib.sha256((site / SIZE).read_bytes()).hexdigest()[:16]
    (site / WORKER).write_text(worker(SOURCE.read_text(encoding="utf-8"), files), encoding="utf-8")


def write(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for name, size in ICONS.items():
        icon(size).save(site / "_static" / name, optimize=True)
    (site / "manifest.webmanifest").write_text(manifest(app.config.html_title, app.config.root_doc), encoding="utf-8")
    (site / "_static" / WORKER).unlink(missing_ok=True)  # copied with the other scripts
    write_worker(site)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", write, priority=950)  # after everything else is written
    return {"parallel_read_safe": True, "parallel_write_safe": True}
