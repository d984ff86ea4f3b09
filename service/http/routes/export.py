"""POST /export: a response as a file, without another analysis."""

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from can_ser_client.schemas import PredictOut
from service.errors import UnknownNameError
from service.exports.answers import read_answer
from service.exports.formats import FORMATS, read_export
from service.http.dependencies import AppStateDep, OwnerDep
from service.http.exports import EXPORT_RESPONSES, ExportResponse, convert
from service.http.forms import EXPORT_SCHEMAS
from service.http.names import refuse_unknown_parameters
from service.http.openapi import refusals

router = APIRouter(tags=["emotion"], dependencies=[Depends(refuse_unknown_parameters)])
_MAX_NAME_LENGTH: Final = 255
_FORMAT: Final = {**EXPORT_SCHEMAS["format"], "enum": [*FORMATS, "csv"], "default": None}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{PredictOut.__name__}"}}},
    }
}


class FileResponse(Response):
    """A file of one of the formats."""


@router.post(
    "/export",
    response_class=FileResponse,
    responses=EXPORT_RESPONSES | refusals(400, 401, 403, 408, 413, 415, 422, 429, 503),
    openapi_extra=_BODY,
)
async def export_answer(
    http: Request,
    state: AppStateDep,
    owner: OwnerDep,
    format: Annotated[str | None, Query(json_schema_extra=_FORMAT)] = None,  # noqa: A002
    subtitle_emotions: Annotated[str | None, Query(json_schema_extra=EXPORT_SCHEMAS["subtitle_emotions"])] = None,
    name: Annotated[str, Query(description="Name of the recording.", max_length=_MAX_NAME_LENGTH)] = "",
) -> Response:
    """Convert a response of POST /predict, or the `result` of a job, into a file.

    The format is that of the parameter `format`, or the first one of the Accept header.
    """
    fields = {"format": format, "subtitle_emotions": subtitle_emotions}
    export = read_export(fields, http.headers.get("accept", ""))
    if export is None:
        raise UnknownNameError("export format", format or "", f"choose from {', '.join(FORMATS)}")
    write = partial(convert, state, http.body, read_answer, export, name)
    return ExportResponse(state.exports.hold(owner), write, export, name)
