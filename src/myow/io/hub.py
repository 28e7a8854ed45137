"""Files of models on the Hugging Face Hub: fetched at a revision and verified, or uploaded in one commit."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FileError, MyowError, SettingError, need
from .download import PublishedFile, offline, verify

__all__ = ["CARD", "MODEL", "PREFIX", "pull", "push"]

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
