"""Published files, looked for, downloaded, verified by checksum, kept; and models on the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FileError, MyowError, SettingError, need
from .files import make_folder, remove, writing

__all__ = [
    "CARD",
    "MODEL",
    "PREFIX",
    "DownloadBar",
    "PublishedFile",
    "fetch",
    "locate",
    "offline",
    "pull",
    "push",
    "verify",
]

ATTEMPTS = 3
TIMEOUT = 20.0  # seconds without an answer


@dataclass(frozen=True)
class PublishedFile:
    """A file that others publish, with the checksum by which it is known.

    Parameters
    ----------
    name : str
        Its published name, under which it is looked for.
    url : str
        Where it can be downloaded.
    sha256, git_blob, md5 : str, optional
        Checksums in hexadecimal; one at least. A git blob id is the SHA-1 of ``blob <size>``, a zero byte and the bytes.
    size : int, optional
        Bytes, if known.
    licence, citation : str, optional
        Its terms and the paper to cite.
    """

    name: str
    url: str
    sha256: str = ""
    git_blob: str = ""
    md5: str = ""
    size: int | None = None
    licence: str = ""
    citation: str = ""

    @property
    def checksum(self) -> tuple[str, str]:
        """Kind and value of the strongest checksum given."""
        for kind in ("sha256", "git_blob", "md5"):
            if value := getattr(self, kind):
                return kind, value.lower()
        raise FileError(f"{self.name} is registered without a checksum; give sha256, git_blob or md5")


class DownloadBar:
    """A progress bar as pooch calls it, on stderr with bytes and time left; silent where stderr is no terminal.

    Parameters
    ----------
    title : str
        What is being downloaded.
    console : rich.console.Console, optional
        Where to draw. Default: stderr.
    """

    def __init__(self, title: str, console: Any = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        console = console or Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self.total = 0
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task(title, total=None)
        self._bar.start()

    def update(self, n: int) -> None:
        """Advance by some bytes."""
        self._bar.update(self._task, advance=n, total=self.total or None)

    def reset(self) -> None:
        """Start again from zero."""
        self._bar.reset(self._task)

    def close(self) -> None:
        """Take the bar away; may be called twice."""
        self._bar.stop()


def _cache_folder() -> Path:
    """Return where downloads are kept: the folder ``MYOW_CACHE`` names, else the user's cache folder."""
    if folder := os.environ.get("MYOW_CACHE"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_cache_dir("myow", appauthor=False))


def offline() -> bool:
    """Whether ``MYOW_OFFLINE`` forbids to download anything."""
    return os.environ.get("MYOW_OFFLINE", "0").lower() not in ("", "0", "false", "no")


def locate(file: PublishedFile) -> Path | None:
    """Find a file in the folder that ``MYOW_DATA`` names (searched recursively), else in the cache.

    Returns
    -------
    Path or None
        Not verified yet.
    """
    if folder := os.environ.get("MYOW_DATA"):
        for parent, folders, names in os.walk(folder):
            folders.sort()  # the same file is found on every machine
            if file.name in names:
                return Path(parent) / file.name
    cached = _cache_folder() / file.name
    return cached if cached.is_file() else None


def fetch(file: PublishedFile, *, bar: Callable[[str], Any] = DownloadBar) -> Path:
    """Find a file, or download it into the cache; either way its checksum is right when this returns.

    A download is written beside its place and renamed when it is whole and verified, so one that broke leaves nothing
    behind and the next call starts afresh.

    Parameters
    ----------
    file : PublishedFile
        What to get.
    bar : callable, optional
        Makes the progress bar of an attempt from a title; it has the methods of `DownloadBar`.

    Returns
    -------
    Path

    Raises
    ------
    FileError
        If a file found in ``MYOW_DATA`` is not the published one, or none is found and the download is forbidden
        (``MYOW_OFFLINE=1``) or fails; the text says where to get it.
    """
    _ = file.checksum  # without one nothing can be verified, so nothing is fetched
    folder = os.environ.get("MYOW_DATA")
    if folder and not Path(folder).is_dir():
        raise FileError(f"MYOW_DATA is {folder}, which is no folder; correct it or unset it")
    found = locate(file)
    cached = _cache_folder() / file.name
    if found is not None:
        try:
            verify(found, file)
        except FileError:
            if found != cached:
                raise
            remove(cached)  # the cache is ours to mend: fetch it again
        else:
            return found
    if offline():
        raise FileError(f"{file.name} is not at hand and MYOW_OFFLINE forbids to download it; {_where(file)}")
    make_folder(cached.parent)
    _download(file, cached, bar)
    return cached


def verify(path: str | os.PathLike[str], file: PublishedFile) -> None:
    """Make sure that the bytes at `path` are those of the published file.

    Raises
    ------
    FileError
        If they cannot be read or are others; the text gives both checksums.
    """
    path = Path(path)
    kind, expected = file.checksum
    try:
        state = path.stat()
        # Repeated loads in one process need not read the file twice. A clock that jumps, or a time that is set by hand, can
        # make an altered file look as old as it was; when its entry was last changed is harder to say falsely.
        key = (str(path), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns, expected)
        if key in _VERIFIED:
            return
        found = _digest(path, kind, state.st_size)
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}; check its permissions") from error
    if found != expected:
        size = f" ({state.st_size} bytes instead of {file.size})" if file.size not in (None, state.st_size) else ""
        raise FileError(
            f"{path} was altered or truncated{size}: its {kind} is {found}, expected {expected}; "
            f"delete it and get it again from {file.url}"
        )
    _VERIFIED.add(key)


_VERIFIED: set[tuple[str, int, int, int, int, str]] = set()


def _digest(path: Path, kind: str, size: int) -> str:
    sha = hashlib.new({"git_blob": "sha1"}.get(kind, kind), usedforsecurity=False)
    if kind == "git_blob":
        sha.update(b"blob %d\0" % size)
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: sha).hexdigest()


def _where(file: PublishedFile) -> str:
    return f"get it from {file.url} and let MYOW_DATA name the folder it is in"


class _BrokenError(Exception):
    """A download that failed; `again` says whether another attempt may help."""

    def __init__(self, text: str, again: bool) -> None:
        super().__init__(text)
        self.again = again


def _download(file: PublishedFile, target: Path, bar: Callable[[str], Any]) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with writing(target) as part:
                _stream(file, part, bar(file.name))
        except _BrokenError as error:
            if attempt == ATTEMPTS or not error.again:
                raise FileError(f"cannot download {file.name}: {error}; {_where(file)}") from None
            time.sleep(0.2 * attempt)
        else:
            return


def _stream(file: PublishedFile, part: Path, bar: Any) -> None:
    import pooch

    # The bytes as they are stored: a compressed answer would not match the length announced.
    headers = {"Accept-Encoding": "identity"}
    try:
        pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT, headers=headers)(file.url, str(part), None)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault: errors of the connection have no number
        status = getattr(getattr(error, "response", None), "status_code", 0)
        reason = f"the server answered {status}" if status else f"the connection failed ({type(error).__name__})"
        raise _BrokenError(reason, again=not 400 <= status < 500) from None
    finally:
        bar.close()
    kind, expected = file.checksum
    found = _digest(part, kind, part.stat().st_size)
    if found != expected:
        raise _BrokenError(
            f"what arrived ({part.stat().st_size} bytes) has {kind} {found}, expected {expected}, and was not kept",
            again=True,
        )


# The Hub: fetched at a revision and verified, or uploaded in one commit.

PREFIX = "hf://"
MODEL, CARD = "model.myow", "README.md"
"""Files of a repository of ours."""

PURPOSE = "the Hugging Face Hub"
CHECKSUM = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def pull(
    address: str, *, revision: str | None = None, token: str | None = None, cache: str | os.PathLike[str] | None = None
) -> Path:
    """Fetch a model, or find it in the cache; its checksum is right when this returns.

    Parameters
    ----------
    address : str
        ``user/name``, with or without ``hf://`` in front and ``@revision`` behind.
    revision : str, optional
        Branch, tag or commit; a commit never changes. Default: what is behind the address, or ``main``.
    token : str, optional
        For what is not public. Default: that which huggingface_hub was logged in with.
    cache : path-like, optional
        Folder to keep it in. Default: that of huggingface_hub.

    Returns
    -------
    Path
        The model file; the folder it lies in is named after its commit.

    Raises
    ------
    FileError
        If there is no such model or revision, it may not be read, no network is there, or the checksum is wrong.
    SettingError
        If the address is none, or the extra ``hub`` is not installed.
    """
    hub = need("huggingface_hub", "hub", PURPOSE)
    repo, pinned = _parts(address)
    revision = revision or pinned or "main"
    with _told(repo, revision):
        path = Path(
            hub.hf_hub_download(
                repo,
                MODEL,
                revision=revision,
                token=token,
                cache_dir=cache,
                endpoint=_endpoint(),
                local_files_only=offline(),
            )
        )
        checksum = _checksum(hub, repo, path, token)
    place = f"{PREFIX}{repo}@{path.parent.name}"
    large = len(checksum) == 64
    verify(path, PublishedFile(MODEL, place, sha256=checksum if large else "", git_blob="" if large else checksum))
    return path


def push(
    repo: str,
    files: Mapping[str, bytes | Path],
    *,
    message: str,
    private: bool = True,
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """Upload files in one commit, into a repository that is made if there is none.

    Parameters
    ----------
    repo : str
        ``user/name``.
    files : mapping of str to bytes or Path
        Contents by name.
    message : str
        Of the commit.
    private : bool, optional
        Whether a repository that is made is private.
    revision : str, optional
        Branch. Default: ``main``.
    token : str, optional
        As for `pull`.

    Returns
    -------
    str
        The commit.

    Raises
    ------
    FileError
        If it may not be written, or no network is there.
    SettingError
        If the name is none, or the extra ``hub`` is not installed.
    """
    hub = need("huggingface_hub", "hub", PURPOSE)
    if offline():
        raise FileError(f"MYOW_OFFLINE forbids to upload to {repo}; unset it")
    repo, pinned = _parts(repo)
    with _told(repo, revision or pinned or "main"):
        api = hub.HfApi(endpoint=_endpoint(), token=token)
        api.create_repo(repo, private=private, exist_ok=True)
        # Bytes or paths as they are: what is uploaded is never read as code, here or there.
        operations = [
            hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=held if isinstance(held, bytes) else str(held))
            for name, held in files.items()
        ]
        made = api.create_commit(repo, operations, commit_message=message, revision=revision or pinned)
    return str(made.oid)


def _parts(address: str) -> tuple[str, str | None]:
    """Split an address into repository and revision."""
    repo, _, revision = address.removeprefix(PREFIX).partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise SettingError(f"'{address}' names no repository; write hf://user/name, or hf://user/name@revision")
    return repo, revision or None


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _checksum(hub: Any, repo: str, path: Path, token: str | None) -> str:
    """Return the checksum that the Hub gives: SHA-256 of a large file, git's blob id of a small one."""
    if path.is_symlink() and CHECKSUM.fullmatch(name := Path(os.readlink(path)).name):
        return name  # the cache keeps every file under the checksum that came with it
    found = hub.HfApi(endpoint=_endpoint(), token=token).get_paths_info(repo, [MODEL], revision=path.parent.name)
    return str(found[0].lfs.sha256 if found[0].lfs else found[0].blob_id)


@contextmanager
def _told(repo: str, revision: str) -> Iterator[None]:
    """Turn whatever goes wrong into one line."""
    errors = need("huggingface_hub.errors", "hub", PURPOSE)
    place = f"{PREFIX}{repo}"
    try:
        yield
    except MyowError:
        raise
    except errors.HFValidationError as error:
        raise SettingError(f"{place} is no name of a repository ({_line(error)}); write hf://user/name") from error
    except Exception as error:  # those of the HTTP client inside, whichever it is, come last
        status = getattr(getattr(error, "response", None), "status_code", 0)
        reasons = {
            errors.LocalEntryNotFoundError: f"{place} is not at hand, and the Hub cannot be reached "
            f"({_line(error.__cause__ or error)}); check the network, or pull it once while there is one",
            errors.GatedRepoError: f"{place} is gated; ask for access on its page, and log in with an account that has it",
            errors.RevisionNotFoundError: f"{place} has no revision '{revision}'; choose a branch, tag or commit of it",
            errors.EntryNotFoundError: f"{place}@{revision} holds no {MODEL}; it is no model of ours",
            errors.RepositoryNotFoundError: f"there is no {place}, or it is private; check the name, and log in "
            "(hf auth login) if it is private",
            errors.HfHubHTTPError: f"you may not do this with {place} (the server answered {status}); log in "
            "(hf auth login) with a token that may"
            if status in (401, 403)
            else f"{place}: the server answered {status or _line(error)}; try again later",
            Exception: f"{place} cannot be reached ({type(error).__name__}: {_line(error)}); check the network",
        }
        raise FileError(next(text for kind, text in reasons.items() if isinstance(error, kind))) from error


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
