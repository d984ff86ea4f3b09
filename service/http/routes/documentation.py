"""Swagger UI at `/docs`, from files of an installed package: no other host is contacted."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

# Swagger UI sets inline styles, and its style sheet contains its images.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>can-ser: HTTP API</title>
  <link rel="icon" href="static/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="docs/files/swagger-ui.css">
  <script src="docs/files/swagger-ui-bundle.js" defer></script>
  <script src="static/js/documentation.js" defer></script>
</head>
<body>
  <noscript>Swagger UI needs JavaScript; the document itself is at <a href="openapi.json">openapi.json</a>.</noscript>
  <div id="documentation"></div>
</body>
</html>
"""
router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def documentation() -> HTMLResponse:
    """Swagger UI."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": POLICY})


def install_documentation(app: FastAPI) -> None:
    """Serve Swagger UI and its files."""
    app.include_router(router)
    folder = Path(str(files("fastapi_offline"))) / "static"
    app.mount("/docs/files", StaticFiles(directory=folder), name="documentation")
