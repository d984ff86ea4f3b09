"""Brings everything that WhisperX needs for a language into one folder, after which nothing touches the network.

Silero and pyannote, which find speech, ship inside packages. Every file is checked against what its host says of it
where that says anything (the hub does, torchaudio's does not), and its SHA-256 is written down, so that the next run
knows what is whole; `sha256sum --check SHA256SUMS` in that folder says the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

from alignment.aligners.weights import catalogue
from alignment.aligners.weights.download import RemoteFile, Report, download, sha256_of
from alignment.aligners.weights.locate import (
    NAME,
    WhisperXConfig,
    align_folder,
    find_align_model,
    find_nltk_data,
    find_whisper,
    is_path,
    whisper_folder,
)
from alignment.aligners.whisperx.diarization import diarize_folder, find_missing_diarization, way_to_diarization
from alignment.errors import (
    AlignerUnavailableError,
    DiarizationUnavailableError,
    FetchError,
    UnsupportedLanguageError,
)
from alignment.timing import Seconds

SUMS: Final = "SHA256SUMS"
_PUNKT: Final = "punkt_tab"
_REFUSED: Final = (401, 403)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where weights come from.

    Attributes:
        hub: address of the Hugging Face hub or a mirror; None for the one that HF_ENDPOINT names.
        torch: prefix of torchaudio's checkpoints.
        nltk_index: NLTK's index of packages; None for its own.
        silence_s: a host that says nothing for so long is given up.
    """

    hub: str | None = None
    torch: str = "https://download.pytorch.org/torchaudio/models/"
    nltk_index: str | None = None
    silence_s: Seconds = 30.0


def fetch_weights(
    config: WhisperXConfig,
    languages: Sequence[str],
    report: Report,
    sources: Sources | None = None,
    *,
    diarize: bool = False,
    again: bool = False,
) -> list[str]:
    """What was fetched, by name; what was there and whole already is left out.

    Args:
        config: the models and the folder; models that somebody else brought to this machine are left alone.
        languages: ISO 639-1 codes; an alignment model for each.
        report: told of every block.
        sources: None for the usual ones.
        diarize: also what tells speakers apart, whose terms are to be accepted on the hub before.
        again: fetch also what is there.

    Raises:
        AlignerUnavailableError: the package whisperx is not installed, or names no such Whisper model.
        UnsupportedLanguageError: WhisperX names no alignment model for a language.
        FetchError: a download failed.
        DiarizationUnavailableError: the hub does not give the gated weights to whoever asks.
    """
    if find_spec("whisperx") is None:
        raise AlignerUnavailableError(NAME, "the package is not installed", "`make install-whisperx` brings it")
    store = _Store(config.folder, sources or Sources(), report, again)
    if not is_path(config.model) and not store.was_brought(find_whisper(config)):
        store.fetch_repository(_whisper_repository(config.model), whisper_folder(config.folder, config.model), WHISPER)
    for language in languages:
        _fetch_align_model(config, language, store)
    if not store.was_brought(find_nltk_data(config, config.usual_language)):
        store.fetch_punkt()
    if diarize:
        _fetch_diarization(config, store)
    return store.fetched


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Files of a repository: patterns of names; of `weights` the first that is there is enough."""

    files: tuple[str, ...]
    weights: tuple[str, ...]


WHISPER: Final = _Wanted(catalogue.WHISPER_FILES, ("model.bin",))
ALIGNMENT: Final = _Wanted(catalogue.ALIGN_FILES, ("model.safetensors", "pytorch_model.bin"))
DIARIZATION: Final = _Wanted(catalogue.DIARIZE_FILES, ("config.yaml",))


class _Store:
    """The folder and its sums."""

    def __init__(self, folder: Path, sources: Sources, report: Report, again: bool) -> None:
        self.folder, self.sources, self.report, self.again = folder, sources, report, again
        self.fetched: list[str] = []
        self._sums = _read_sums(folder / SUMS)

    def was_brought(self, folder: Path | None) -> bool:
        """Whether something is there that this command did not write down."""
        return folder is not None and not self.again and not self._written_down(folder)

    def fetch_repository(self, repository: str, folder: Path, wanted: _Wanted) -> None:
        """A repository of the hub."""
        if self._is_whole(folder):
            return
        files = self._list_repository(repository, wanted)
        self._note({folder / name: self._fetch(source, folder / name) for name, source in files.items()})
        self.fetched.append(repository)

    def fetch_file(self, url: str, path: Path) -> None:
        """A single file whose host tells no sum."""
        if not self._is_whole(path.parent):
            self._note({path: self._fetch(RemoteFile(url), path)})
            self.fetched.append(path.name)

    def fetch_punkt(self) -> None:
        """NLTK's sentence splitter, all languages."""
        folder = self.folder / "nltk_data" / "tokenizers"
        if self._is_whole(folder / _PUNKT):
            return
        archive = folder / f"{_PUNKT}.zip"
        self._fetch(RemoteFile(self._punkt_url()), archive)
        try:
            with ZipFile(archive) as opened:
                opened.extractall(folder)
                names = [name for name in opened.namelist() if not name.endswith("/")]
        except BadZipFile as exc:
            raise FetchError(_PUNKT, "it is no zip file") from exc
        finally:
            archive.unlink()
        self._note({folder / name: sha256_of(folder / name) for name in names})
        self.fetched.append(_PUNKT)

    def _fetch(self, source: RemoteFile, path: Path) -> str:
        """SHA-256 of a file that is there now; one that an interrupted run brought whole stays."""
        if not self.again and source.sha256 is not None and path.is_file() and sha256_of(path) == source.sha256:
            return source.sha256
        return download(source, path, self.report, self.sources.silence_s)

    def _note(self, found: Mapping[Path, str]) -> None:
        """Writes down what is whole: all files of a folder at once, or none."""
        self._sums |= {path.relative_to(self.folder).as_posix(): sha256 for path, sha256 in found.items()}
        lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(self._sums.items())]
        (self.folder / SUMS).write_text("".join(lines), encoding="utf-8")

    def _is_whole(self, folder: Path) -> bool:
        """Whether files are written down for a folder, and all are there as they were."""
        inside = self._written_down(folder)
        whole = bool(inside) and not self.again
        return whole and all(path.is_file() and sha256_of(path) == each for path, each in inside.items())

    def _written_down(self, folder: Path) -> dict[Path, str]:
        paths = {self.folder / name: sha256 for name, sha256 in self._sums.items()}
        return {path: sha256 for path, sha256 in paths.items() if folder in path.parents}

    def _list_repository(self, repository: str, wanted: _Wanted) -> dict[str, RemoteFile]:
        from huggingface_hub import HfApi, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
        from huggingface_hub.utils._headers import build_hf_headers
        from requests import RequestException

        try:
            found = HfApi(endpoint=self.sources.hub).model_info(
                repository, files_metadata=True, timeout=self.sources.silence_s
            )
        except HfHubHTTPError as exc:
            status = None if exc.response is None else exc.response.status_code
            raise FetchError(repository, str(exc).splitlines()[0], status) from exc
        except RequestException as exc:
            raise FetchError(repository, f"the hub cannot be reached ({_root_cause(exc)})") from exc
        except (HFValidationError, OfflineModeIsEnabled) as exc:
            raise FetchError(repository, str(exc)) from exc
        listed = {each.rfilename: each for each in found.siblings or []}
        names = [name for name in listed if any(fnmatch(name, pattern) for pattern in wanted.files)]
        weights = next((name for name in wanted.weights if name in listed), None)
        if weights is None:
            raise FetchError(repository, f"the repository holds no {' or '.join(wanted.weights)}")
        headers = build_hf_headers()
        lfs = {name: each.lfs.sha256 for name, each in listed.items() if each.lfs}
        return {
            name: RemoteFile(
                hf_hub_url(repository, name, revision=found.sha, endpoint=self.sources.hub),
                headers,
                lfs.get(name),
                None if name in lfs else listed[name].blob_id,
            )
            # The weights come last: without them a folder does not count.
            for name in [*(each for each in names if each not in wanted.weights), weights]
        }

    def _punkt_url(self) -> str:
        """As NLTK's index names it; NLTK's own downloader waits for ever."""
        from nltk.downloader import Downloader

        index = self.folder / "nltk_data" / "index.xml"
        download(
            RemoteFile(self.sources.nltk_index or Downloader.DEFAULT_URL), index, self.report, self.sources.silence_s
        )
        try:
            packages = ElementTree.parse(index).iter("package")  # noqa: S314
            found = next((package.get("url") for package in packages if package.get("id") == _PUNKT), None)
        except ElementTree.ParseError as exc:
            raise FetchError(_PUNKT, f"NLTK's index cannot be read ({exc})") from exc
        finally:
            index.unlink()
        if found is None:
            raise FetchError(_PUNKT, "NLTK's index does not name it")
        return found


def _fetch_align_model(config: WhisperXConfig, language: str, store: _Store) -> None:
    named = config.align_model if language == config.usual_language else ""
    folder = align_folder(config.folder, language, named)
    here = find_align_model(config, language)
    if (named and is_path(named)) or (here and store.was_brought(Path(here.name or here.torch_folder or ""))):
        return
    if not named and language in catalogue.TORCH_ALIGN_MODELS:
        file = catalogue.TORCH_ALIGN_MODELS[language].file
        store.fetch_file(store.sources.torch + file, folder / file)
        return
    repository = named or catalogue.HUB_ALIGN_MODELS.get(language)
    if repository is None:
        known = ", ".join(sorted({*catalogue.TORCH_ALIGN_MODELS, *catalogue.HUB_ALIGN_MODELS}))
        raise UnsupportedLanguageError(NAME, language, f"{known}, and others with --align-model")
    store.fetch_repository(repository, folder, ALIGNMENT)


def _fetch_diarization(config: WhisperXConfig, store: _Store) -> None:
    folder = diarize_folder(config)
    if is_path(config.diarize_model) or (find_missing_diarization(config) is None and store.was_brought(folder)):
        return
    try:
        store.fetch_repository(config.diarize_model, folder, DIARIZATION)
    except FetchError as exc:
        if exc.status not in _REFUSED:
            raise
        reason = f"the hub answers {exc.status}, so its terms are not accepted or HF_TOKEN holds no token of who did"
        raise DiarizationUnavailableError(reason, way_to_diarization(config)) from exc


def _whisper_repository(name: str) -> str:
    if "/" in name:
        return name
    if name not in catalogue.WHISPER_REPOSITORIES:
        known = ", ".join(sorted(catalogue.WHISPER_REPOSITORIES))
        raise AlignerUnavailableError(NAME, f"there is no Whisper model {name!r}", f"choose one of {known}")
    return catalogue.WHISPER_REPOSITORIES[name]


def _read_sums(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = [line.split("  ", 1) for line in path.read_text(encoding="utf-8").splitlines() if "  " in line]
    return {name: sha256 for sha256, name in lines}


def _root_cause(error: BaseException) -> BaseException:
    """What libraries have wrapped: the network's own words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error
