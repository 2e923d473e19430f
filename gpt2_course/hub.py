"""Models on the Hugging Face hub: downloaded once, then read from the local cache, even offline.

A hub that cannot be reached is reported at once; one that accepts the connection but stays silent, after a minute.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from time import monotonic, sleep

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    logging,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from gpt2_course.checkpoint import INDEX, WEIGHTS, weight_files
from gpt2_course.tokenizer_files import ADDED, CONFIG, MERGES, SPECIAL, TEMPLATE, VOCAB, WHOLE

NOTICE_AFTER, GIVE_UP_AFTER = 10.0, 60.0  # seconds without progress
POLL_INTERVAL = 0.2  # seconds


def download(repository: str) -> Path:
    """The folder of a GPT-2 in the local cache; files it lacks are downloaded first.

    Raises `FileNotFoundError` if the hub has no such model, `ConnectionError` if it cannot be reached.
    """
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # silence its warning for every failed connection
    constants.HF_HUB_DISABLE_XET = True  # a Xet download may write nothing for minutes, which looks like no progress
    cache = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    try:
        return wait_while_progressing(lambda: _fetch_all(repository), lambda: _size(cache), constants.ENDPOINT)
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise FileNotFoundError(
            f"There is no model {repository!r}, neither as a local folder nor as a public model on the Hugging Face "
            f"hub: check the name."
        ) from error
    except FileNotFoundError as error:
        if isinstance(error, LocalEntryNotFoundError):
            raise _unreachable(repository, error) from error
        raise
    except Exception as error:  # any error: the errors of huggingface_hub's dependencies pass through
        raise _unreachable(repository, error) from error


def _unreachable(repository: str, error: Exception) -> ConnectionError:
    reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
    return ConnectionError(
        f"{repository} could not be downloaded from the Hugging Face hub ({reason}): check your internet connection "
        f"and try again, or give the path of a local model folder."
    )


def wait_while_progressing(work: Callable[[], Path], progress: Callable[[], object], server: str) -> Path:
    """Run `work` for as long as `progress()` keeps changing; return its result or raise its error.

    After `NOTICE_AFTER` seconds without a change, print a notice that names the server; after `GIVE_UP_AFTER`, raise
    `TimeoutError`.
    """
    result: Future[Path] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, daemon=True).start()  # a daemon thread does not keep the program alive
    before, since, noticed = progress(), monotonic(), False
    while not wait([result], timeout=POLL_INTERVAL).done:
        if (now := progress()) != before:
            before, since, noticed = now, monotonic(), False
        waited = monotonic() - since
        if waited >= NOTICE_AFTER and not noticed:
            print(f"Waiting up to {GIVE_UP_AFTER:g} seconds for an answer from {server} …", file=sys.stderr, flush=True)
            noticed = True
        if waited >= GIVE_UP_AFTER:
            raise TimeoutError(f"no answer from {server} for {GIVE_UP_AFTER:g} seconds")
    return result.result()


def _size(folder: Path) -> tuple[int, int]:
    """The number of files in a folder and their total size in bytes, while files are being written there."""
    sizes = []
    for path in folder.rglob("*"):
        try:
            sizes.append(path.lstat().st_size)
        except OSError:  # it was moved in the meantime
            continue
    return len(sizes), sum(sizes)


def _fetch_all(repository: str) -> Path:
    folder = _complete(repository)
    if folder is not None:
        return folder
    _check_reachable(repository)

    def fetch(name: str) -> Path | None:
        """The path of a file in the cache; None if the hub does not have the file."""
        try:
            return Path(hf_hub_download(repository, name))
        except LocalEntryNotFoundError:  # the connection broke
            raise
        except EntryNotFoundError:
            return None

    config = fetch("config.json")
    for name in (CONFIG, SPECIAL, TEMPLATE) if fetch(WHOLE) else (CONFIG, SPECIAL, TEMPLATE, VOCAB, MERGES, ADDED):
        fetch(name)
    # weights last: their presence in the cache shows that everything else is there
    found = config and (fetch(WEIGHTS) or fetch(INDEX))
    if not config or not found or not all(fetch(path.name) for path in weight_files(config.parent)):
        raise FileNotFoundError(
            f"{repository} on the Hugging Face hub cannot be read, because it lacks config.json or {WEIGHTS}: choose "
            f"another model."
        )
    return config.parent


def _complete(repository: str) -> Path | None:
    """The model's folder in the cache; None if a file is missing."""
    known = {name: try_to_load_from_cache(repository, name) for name in ("config.json", WHOLE, VOCAB, MERGES)}
    if not isinstance(known["config.json"], str):
        return None
    folder = Path(known["config.json"]).parent
    # a value that is neither a path nor None means that the hub has no such file
    tokenizer = isinstance(known[WHOLE], str) or (known[VOCAB] is not None and known[MERGES] is not None)
    return folder if tokenizer and all(path.is_file() for path in weight_files(folder)) else None


def _check_reachable(repository: str) -> None:
    """Raise an error if two requests fail to reach the hub; a download would retry for minutes first."""
    url = hf_hub_url(repository, "config.json")
    for try_again in (True, False):
        try:
            get_hf_file_metadata(url, timeout=GIVE_UP_AFTER)
            return
        except EntryNotFoundError:
            return
        except (HfHubHTTPError, OfflineModeIsEnabled):
            raise
        except Exception:  # any error that a failed connection can raise
            if not try_again:
                raise
        sleep(0.5)
