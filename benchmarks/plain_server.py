"""A minimal server of the same parts: one request at a time, every core for ONNX Runtime.

    python -m benchmarks.plain_server --port 8001

Baseline of `python -m benchmarks.load`.
"""

import os
import signal
from contextlib import suppress
from typing import Annotated, get_args

import typer
import uvicorn
from fastapi import FastAPI, Form, UploadFile
from starlette.responses import Response

from alignment.aligners.selection import AlignerChoice
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.results.serialisation import to_response
from service.settings import Settings


def create_plain_app(aligner: AlignerChoice) -> FastAPI:
    """Application with POST /predict and health checks only; its handler blocks the event loop."""
    engine = EmotionEngine(Settings(threads=os.cpu_count() or 1, aligner=aligner))
    engine.warm_up()
    app = FastAPI()

    @app.post("/predict")
    async def predict(file: UploadFile, words: Annotated[str | None, Form()] = None) -> Response:
        analysis = engine.analyse(await file.read(), AnalysisRequest(words=words))
        return Response(
            to_response(analysis, engine).model_dump_json(exclude_unset=True), media_type="application/json"
        )

    @app.get("/health/live")
    @app.get("/health/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    return app


def main(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8001,
    aligner: Annotated[str, typer.Option(help="auto, moonshine, pocketsphinx or whisperx.")] = "auto",
) -> None:
    """Serve until stopped."""
    choices: dict[str, AlignerChoice] = {choice: choice for choice in get_args(AlignerChoice)}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        uvicorn.run(create_plain_app(choices[aligner]), port=port, log_level="warning")


if __name__ == "__main__":
    typer.run(main)
