"""Download of all weights that WhisperX needs for a language, after which no network is used.

Silero and pyannote's voice activity detection ship inside packages. Every file is checked against the checksum that
its host publishes (the hub publishes one, torchaudio's host does not). Its SHA-256 is written to SHA256SUMS, from which
the next run knows which files are complete; `sha256sum --check SHA256SUMS` verifies them too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

from alignment.aligners.weights import catalogue, locate
from alignment.aligners.weights.config import NAME, WhisperXConfig
from alignment.aligners.weights.download import RemoteFile, Report, download, sha256_of
from alignment.aligners.weights.permissions import make_private
from alignment.errors import AlignerUnavailableError, DiarizationUnavailableError, FetchError, UnsupportedLanguageError
from alignment.timing import Seconds

SUMS: Final = "SHA256SUMS"
_PUNKT: Final = "punkt_tab"
_REFUSED: Final = (401, 403)


@dataclass(frozen=True, slots=True)
class Sources:
    """Hosts of the weights.

    Attributes:
        hub: Address of the Hugging Face hub or a mirror; None for the one that HF_ENDPOINT names.
        torch: Prefix of torchaudio's checkpoints.
        nltk_index: NLTK's index of packages; None for NLTK's own address.
        timeout_s: Longest time without any byte from a host.
    """

    hub: str | None = None
    torch: str = "https://download.pytorch.org/torchaudio/models/"
    nltk_index: str | None = None
    timeout_s: Seconds = 30.0


def fetch_weights(
    config: WhisperXConfig,
    languages: Sequence[str],
    report: Report,
    sources: Sources | None = None,
    *,
    diarize: bool = False,
    again: bool = False,
) -> list[str]:
    """Fetch the weights that are missing or incomplete and return their names.

    Args:
        config: Models and folder; models that were not fetched by this function are left as they are.
        languages: ISO 639-1 codes, each with an alignment model.
        report: Called for every block of a download.
        sources: Hosts; None for the default ones.
        diarize: Also fetch the diarization pipeline; its terms must be accepted on the hub first.
        again: Also fetch what is complete.

    Raises:
        AlignerUnavailableError: The package whisperx is not installed, or names no such Whisper model.
        UnsupportedLanguageError: WhisperX names no alignment model for a language.
        FetchError: A download failed.
        DiarizationUnavailableError: The hub refuses the gated weights.
    """
    if find_spec("whisperx") is None:
        raise AlignerUnavailableError(NAME, "the package whisperx is not installed", locate.INSTALL)
    store = _Store(config.folder, sources or Sources(), report, again)
    try:
        if not locate.is_path(config.model) and not store.is_foreign(locate.find_whisper(config)):
            folder = locate.whisper_folder(config.folder, config.model)
            store.fetch_repository(_whisper_repository(config.model), folder, WHISPER)
        for language in languages:
            _fetch_align_model(config, language, store)
        if not store.is_foreign(locate.find_nltk_data(config, config.usual_language)):
            store.fetch_punkt()
        if diarize:
            _fetch_diarization(config, store)
    finally:
        store.make_private()
    return store.fetched


@dataclass(frozen=True, slots=True)
class _FileSelection:
    """Patterns of a repository's files, and the weights of which the first existing one is enough."""

    files: tuple[str, ...]
    weights: tuple[str, ...]


WHISPER: Final = _FileSelection(catalogue.WHISPER_FILES, ("model.bin",))
ALIGNMENT: Final = _FileSelection(catalogue.ALIGN_FILES, ("model.safetensors", "pytorch_model.bin"))
DIARIZATION: Final = _FileSelection(catalogue.DIARIZE_FILES, ("config.yaml",))


class _Store:
    """Folder of fetched weights and their checksums."""

    def __init__(self, folder: Path, sources: Sources, report: Report, again: bool) -> None:
        self.folder, self.sources, self.report, self.again = folder, sources, report, again
        self.fetched: list[str] = []
        self._is_new = not folder.exists()
        self._sums = _read_sums(folder / SUMS)

    def is_foreign(self, folder: Path | None) -> bool:
        """Whether the folder exists without having been fetched, and is to be left as it is."""
        return folder is not None and not self.again and not self._recorded_files(folder)

    def fetch_repository(self, repository: str, folder: Path, selection: _FileSelection) -> None:
        """Fetch a repository of the hub."""
        if self._is_complete(folder):
            return
        files = self._list_repository(repository, selection)
        self._record({folder / name: self._fetch(source, folder / name) for name, source in files.items()})
        self.fetched.append(repository)

    def fetch_file(self, url: str, path: Path) -> None:
        """Fetch a single file without a published checksum."""
        if not self._is_complete(path.parent):
            self._record({path: self._fetch(RemoteFile(url), path)})
            self.fetched.append(path.name)

    def fetch_punkt(self) -> None:
        """Fetch NLTK's sentence splitter for all languages."""
        folder = self.folder / "nltk_data" / "tokenizers"
        if self._is_complete(folder / _PUNKT):
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
        self._record({folder / name: sha256_of(folder / name) for name in names})
        self.fetched.append(_PUNKT)

    def make_private(self) -> None:
        """Remove write permission of other users from everything that was fetched, now or in an earlier run."""
        files = [self.folder / name for name in (*self._sums, SUMS)]
        folders = {parent for file in files for parent in file.parents if self.folder in parent.parents}
        make_private([*files, *folders, *([self.folder] if self._is_new else [])])

    def _fetch(self, source: RemoteFile, path: Path) -> str:
        """SHA-256 of a fetched file; a complete one of an interrupted run is not fetched again."""
        if not self.again and source.sha256 is not None and path.is_file() and sha256_of(path) == source.sha256:
            return source.sha256
        return download(source, path, self.report, self.sources.timeout_s)

    def _record(self, sums: Mapping[Path, str]) -> None:
        """Write the checksums of a complete folder: of all its files at once, or of none."""
        self._sums |= {path.relative_to(self.folder).as_posix(): sha256 for path, sha256 in sums.items()}
        lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(self._sums.items())]
        (self.folder / SUMS).write_text("".join(lines), encoding="utf-8")

    def _is_complete(self, folder: Path) -> bool:
        """Whether checksums are recorded for a folder and all its files match them."""
        recorded = self._recorded_files(folder)
        complete = bool(recorded) and not self.again
        return complete and all(path.is_file() and sha256_of(path) == each for path, each in recorded.items())

    def _recorded_files(self, folder: Path) -> dict[Path, str]:
        paths = {self.folder / name: sha256 for name, sha256 in self._sums.items()}
        return {path: sha256 for path, sha256 in paths.items() if folder in path.parents}

    def _list_repository(self, repository: str, selection: _FileSelection) -> dict[str, RemoteFile]:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, not marked

        info = self._model_info(repository)
        listed = {each.rfilename: each for each in info.siblings or []}
        names = [name for name in listed if any(fnmatch(name, pattern) for pattern in selection.files)]
        weights = next((name for name in selection.weights if name in listed), None)
        if weights is None:
            raise FetchError(repository, f"the repository holds no {' or '.join(selection.weights)}")
        headers = build_hf_headers()
        lfs = {name: each.lfs.sha256 for name, each in listed.items() if each.lfs}
        return {
            name: RemoteFile(
                hf_hub_url(repository, name, revision=info.sha, endpoint=self.sources.hub),
                headers,
                lfs.get(name),
                None if name in lfs else listed[name].blob_id,
            )
            # The weights come last: a folder without them counts as missing.
            for name in [*(each for each in names if each not in selection.weights), weights]
        }

    def _model_info(self, repository: str) -> Any:
        """What the hub's API lists of a repository."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
        from requests import RequestException

        try:
            api = HfApi(endpoint=self.sources.hub)
            return api.model_info(repository, files_metadata=True, timeout=self.sources.timeout_s)
        except HfHubHTTPError as exc:
            status = None if exc.response is None else exc.response.status_code
            raise FetchError(repository, str(exc).splitlines()[0], status) from exc
        except RequestException as exc:
            raise FetchError(repository, f"the hub cannot be reached ({_root_cause(exc)})") from exc
        except (HFValidationError, OfflineModeIsEnabled) as exc:
            raise FetchError(repository, str(exc)) from exc

    def _punkt_url(self) -> str:
        """Address in NLTK's index; NLTK's own downloader has no timeout."""
        from nltk.downloader import Downloader

        index = self.folder / "nltk_data" / "index.xml"
        download(
            RemoteFile(self.sources.nltk_index or Downloader.DEFAULT_URL), index, self.report, self.sources.timeout_s
        )
        try:
            packages = ElementTree.parse(index).iter("package")  # noqa: S314
            url = next((package.get("url") for package in packages if package.get("id") == _PUNKT), None)
        except ElementTree.ParseError as exc:
            raise FetchError(_PUNKT, f"NLTK's index cannot be read ({exc})") from exc
        finally:
            index.unlink()
        if url is None:
            raise FetchError(_PUNKT, "NLTK's index does not name it")
        return url


def _fetch_align_model(config: WhisperXConfig, language: str, store: _Store) -> None:
    named = config.align_model if language == config.usual_language else ""
    folder = locate.align_folder(config.folder, language, named)
    here = locate.find_align_model(config, language)
    if (named and locate.is_path(named)) or (here and store.is_foreign(Path(here.name or here.torch_folder or ""))):
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
    folder = locate.diarize_folder(config)
    if locate.is_path(config.diarize_model) or (
        locate.find_missing_diarization(config) is None and store.is_foreign(folder)
    ):
        return
    try:
        store.fetch_repository(config.diarize_model, folder, DIARIZATION)
    except FetchError as exc:
        if exc.status not in _REFUSED:
            raise
        reason = f"the hub returned {exc.status}; HF_TOKEN names no account that accepted the terms"
        raise DiarizationUnavailableError(reason, locate.way_to_diarization(config)) from exc


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
    """Innermost error, which states what the network reported."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error
