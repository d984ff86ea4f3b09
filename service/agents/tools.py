"""Tools for agents: analyse a recording, explain an utterance, list recordings and weights."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field, ValidationError

from alignment.errors import CanSerError
from alignment.printable import printable
from can_ser_client.errors import ClientError
from can_ser_client.schemas import PredictOut
from service.agents.analysis import Analyser
from service.agents.folders import RecordingFolders
from service.agents.schemas import (
    AnalysedRecording,
    ExplainedUtterance,
    ListedBundles,
    ListedRecordings,
    to_explanation,
    to_recording,
)
from service.errors import BusyError
from service.inference.places import Places
from service.sources import state_reason

_T = TypeVar("_T")
MAX_LISTED: Final = 200
_MAX_LEFT_OUT: Final = 20
MAX_WAITING: Final = 16
_RESULTS: Final = 8
_RETRY_S: Final = 30
_READ_ONLY: Final = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

PathArgument = Annotated[
    str, Field(description="Path of an audio or video file: absolute, or relative to an allowed folder.")
]
TranscriptArgument = Annotated[
    str | None, Field(description="The words that are said, where they are known; else they are recognised.")
]
SpeakersArgument = Annotated[
    Literal["channels", "diarize"] | None,
    Field(description="channels: one speaker per channel, as in call recordings; diarize: separated by voice."),
]


BundleArgument = Annotated[
    str | None,
    Field(description="Name of weights that list_bundles marks as served; omit it for the default.", max_length=100),
]


class Tools:
    """The tools of one server; one recording is analysed at a time, and the last results are kept."""

    def __init__(self, analyser: Analyser, folders: RecordingFolders) -> None:
        self._analyser, self._folders = analyser, folders
        self._thread = ThreadPoolExecutor(1, "agent")
        self._waiting = Places(MAX_WAITING, MAX_WAITING, lambda limit: BusyError(limit, _RETRY_S))
        self._results: OrderedDict[tuple[object, ...], PredictOut] = OrderedDict()

    def install(self, server: MCPServer) -> None:
        """Add the tools to a server."""
        for tool, title in (
            (self.analyse_recording, "Analyse a recording"),
            (self.explain_utterance, "Explain an utterance"),
            (self.list_recordings, "List recordings"),
            (self.list_bundles, "List weights"),
        ):
            server.add_tool(tool, title=title, annotations=_READ_ONLY, structured_output=True)

    async def analyse_recording(
        self,
        path: PathArgument,
        transcript: TranscriptArgument = None,
        speakers: SpeakersArgument = None,
        bundle: BundleArgument = None,
    ) -> AnalysedRecording:
        """Recognise the words of a recording and the emotion of each utterance, from its words and its sound.

        Returns the emotion of the whole recording, and of every utterance its times, text, emotion, probabilities and
        confidence. Where `uncertain` is true, report the emotion as not sure, with the reasons. A minute of speech
        takes several seconds.
        """
        response = await self._run(lambda: self._analyse(path, transcript, speakers, bundle, "true"))
        return to_recording(path, response)

    async def explain_utterance(
        self,
        path: PathArgument,
        utterance: Annotated[int, Field(ge=1, description="Number of the utterance in analyse_recording.")],
        transcript: TranscriptArgument = None,
        speakers: SpeakersArgument = None,
        bundle: BundleArgument = None,
        effects: Annotated[
            bool, Field(description="Also measure how the probability changes without each word; takes longer.")
        ] = False,
    ) -> ExplainedUtterance:
        """Explain the emotion of one utterance: how much the text and the sound of each word contribute to it.

        Use the same path, transcript, speakers and bundle as in analyse_recording. The contributions are those of the
        network's computation; they are not a statement about the feelings of the speaker.
        """
        explain = "occlusion" if effects else "true"
        response = await self._run(lambda: self._analyse(path, transcript, speakers, bundle, explain))
        count = len(response.utterances)
        if utterance > count:
            raise ToolError(f"there is no utterance {utterance}; the recording has {count}, numbered from 1")
        return to_explanation(utterance, response.utterances[utterance - 1])

    async def list_recordings(self) -> ListedRecordings:
        """List the audio and video files in the folders that this server may read, at most 200."""
        errors: list[OSError] = []
        paths = await self._run(lambda: self._folders.list_recordings(MAX_LISTED + 1, errors.append))
        return ListedRecordings(
            folders=list(map(str, self._folders.folders)),
            recordings=list(map(str, paths[:MAX_LISTED])),
            complete=len(paths) <= MAX_LISTED,
            left_out=[printable(f"{error.filename}: {state_reason(error)}") for error in errors[:_MAX_LEFT_OUT]],
        )

    async def list_bundles(self) -> ListedBundles:
        """List the weights (bundles): their emotions, training data and licence, and which of them are served."""
        return ListedBundles(bundles=await self._run(self._analyser.list_bundles))

    def close(self) -> None:
        """Wait for the analysis in progress, and release the models."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._analyser.close()

    async def _run(self, work: Callable[[], _T]) -> _T:
        """Result of `work` in the thread; its errors become messages for the agent."""
        try:
            with self._waiting.hold(""):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (CanSerError, ClientError) as exc:
            raise ToolError(str(exc)) from exc
        except ValidationError as exc:
            [first, *_] = exc.errors()
            raise ToolError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from exc
        except OSError as exc:
            raise ToolError(f"the file cannot be read ({state_reason(exc)}); check its permissions") from exc

    def _analyse(
        self, path: str, transcript: str | None, speakers: str | None, bundle: str | None, explain: str
    ) -> PredictOut:
        """The response for a recording; that of an earlier call where the file has not changed."""
        file = self._folders.find(path)
        fields: dict[str, Any] = {"transcript": transcript, "speakers": speakers, "bundle": bundle, "explain": explain}
        key = (*_identify(file), *fields.values())
        if key not in self._results:
            self._results[key] = self._analyser.analyse(file, fields)
            while len(self._results) > _RESULTS:
                self._results.popitem(last=False)
        self._results.move_to_end(key)
        return self._results[key]


def _identify(file: Path) -> tuple[object, ...]:
    status = file.stat()
    return str(file), status.st_mtime_ns, status.st_size
