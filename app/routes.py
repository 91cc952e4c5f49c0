"""Everything the browser fetches besides Gradio's own: tiles, token maps, thumbnails, downloads, scripts.

All routes lie under `/gradio_api/uhr`, so they work behind a proxy's sub-path too. Ids are random, never paths.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import xstatic.pkg.leaflet
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from uhrbat.errors import InputError, UHRBATError

from . import arrays, examples, export, figures, overlays, panel, shares
from .cards.picture import histogram_value
from .cards.viewer import maps_value
from .findings import Findings
from .paths import ASSETS
from .state.pictures import Shelf
from .state.runs import KeptRun, Runs
from .texts import sentence

MOST_LEAST = 4096
"""The largest least side of a square (`Square.least`) that a thumbnail is drawn for."""

PREFIX = f"/{panel.PREFIX}"
SCRIPTS = ASSETS / "viewer"
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


def routes(shelf: Shelf, runs: Runs, findings: Callable[[], Findings]) -> list[BaseRoute]:
    """The routes to hand to `launch(app_kwargs={"routes": ...})`."""
    router = APIRouter(prefix=PREFIX)

    # Plain functions, so that they run in threads and never hold up the event loop.
    @router.get("/tile/{id}/{z}/{x}/{y}.jpg")
    def tile(id: str, z: int, x: int, y: int) -> Response:
        picture = shelf.get(id)
        if picture is None:
            return _gone()
        try:
            return Response(picture.reader.tile(z, x, y), media_type="image/jpeg", headers=_FOREVER)
        except InputError:
            return _gone()

    @router.get("/thumbnail/{id}/{least}.jpg")
    def thumbnail(id: str, least: int) -> Response:
        picture = shelf.get(id)
        if picture is None or not 0 <= least <= MOST_LEAST:
            return _gone()
        return _image(overlays.thumbnail(picture, least), "jpeg")

    @router.get("/picture/{id}/histogram.json")
    def histogram(id: str) -> Response:
        picture = shelf.get(id)
        if picture is None:
            return _gone()
        try:
            return JSONResponse(histogram_value(picture.histogram), headers=_FOREVER)
        except UHRBATError as error:
            return JSONResponse({"error": sentence(error)})

    @router.get("/example/{name}.jpg")
    def example(name: str) -> Response:
        found = examples.find(name)
        return _gone() if found is None else _image(found.thumbnail, "jpeg")

    @router.get("/run/{id}/{size}/{kind}.png")
    def token_map(id: str, size: int, kind: str) -> Response:
        encode = {
            "rank": overlays.rank_png,
            "importance": overlays.importance_png,
            "region": overlays.region_png,
        }
        return _picture(runs.get(id), (size, kind), lambda run: encode[kind](run.scale(size), run.geometry(size)))

    @router.get("/run/{id}/kinds/{key}/{size}.png")
    def kinds(id: str, key: str, size: int) -> Response:
        run = runs.get(id)
        found = run.kinds.get(key, {}).get(size) if run else None
        return _gone() if run is None or found is None else _image(overlays.kind_png(found, run.geometry(size)), "png")

    @router.get("/run/{id}/words.bin")
    def words(id: str) -> Response:
        run = runs.get(id)
        if run is None or run.attention is None:
            return _gone()
        parts = (run.attention.weights[scale.size].astype("<f4").tobytes() for scale in run.scales)
        return Response(b"".join(parts), media_type="application/octet-stream", headers={"Cache-Control": "no-store"})

    @router.get("/run/{id}/maps.json")
    def maps(id: str) -> Response:
        run = runs.get(id)
        return _gone() if run is None else JSONResponse(maps_value(run))

    @router.get("/run/{id}/figure.{kind}")
    def figure(id: str, kind: str, request: Request) -> Response:
        run = runs.get(id)
        if run is None or kind not in (*figures.TYPES, "txt"):
            return _gone()
        try:
            wanted = figures.Wanted.of(run, dict(request.query_params))
            if kind == "txt":
                return Response(figures.caption(run, wanted), media_type="text/plain; charset=utf-8")
            name = figures.file_name(run, str(wanted.size), str(sum(wanted.budgets)), *wanted.panels)
            return _download(figures.figure(run, wanted, kind), figures.TYPES[kind], f"{name}.{kind}")
        except InputError as error:
            return Response(sentence(error), 400, media_type="text/plain; charset=utf-8")

    @router.get("/run/{id}/tokens-{size}.tif")
    def geotiff(id: str, size: int) -> Response:
        run = runs.get(id)
        try:
            content = arrays.geotiff(run, size) if run else None
        except InputError:
            content = None
        if run is None or content is None:
            return _gone()
        return _download(content, "image/tiff", figures.file_name(run, f"tokens-{size}.tif"))

    @router.get("/run/{id}/{file}")
    def download(id: str, file: str) -> Response:
        run, make = runs.get(id), export.FILES.get(file)
        if run is None or make is None:
            return _gone()
        return _download(make(run), export.TYPES[Path(file).suffix], figures.file_name(run, file))

    @router.get("/shares/{geometry}.bin")
    def shares_of(geometry: str) -> Response:
        try:
            content = shares.content(shares.scales_of(geometry))
        except InputError:
            return _gone()
        headers = {"Cache-Control": "public, max-age=3600", "Content-Encoding": "gzip"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    @router.get("/findings.json")
    def found() -> Response:
        headers = {"Cache-Control": "no-cache", "Content-Encoding": "gzip"}
        return Response(findings().page, media_type="application/json", headers=headers)

    # Routes, not mounts: a mount looks for its files under the sub-path that a proxy has taken off already.
    for folder, files in (("assets", SCRIPTS), ("leaflet", Path(xstatic.pkg.leaflet.BASE_DIR))):
        router.get(f"/{folder}/{{path:path}}")(_file_of(StaticFiles(directory=files)))
    return list(router.routes)


def _file_of(files: StaticFiles) -> Callable[[str, Request], Awaitable[Response]]:
    """Serves one file of a folder by its path."""

    async def serve(path: str, request: Request) -> Response:
        try:
            return await files.get_response(path, request.scope)
        except HTTPException:
            return _gone()

    return serve


def _gone() -> Response:
    return Response(status_code=404)


def _picture(run: KeptRun | None, key: tuple, encode: Callable[[KeptRun], bytes]) -> Response:
    """A map of a run, encoded when first asked for."""
    if run is None:
        return _gone()
    if key not in run.pictures:
        try:
            run.pictures[key] = encode(run)
        except (InputError, KeyError):
            return _gone()
    return _image(run.pictures[key], "png")


def _image(content: bytes, kind: str) -> Response:
    return Response(content, media_type=f"image/{kind}", headers=_FOREVER)


def _download(content: bytes | str, media_type: str, name: str) -> Response:
    """name: of plain letters, as `figures.file_name` makes them."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
