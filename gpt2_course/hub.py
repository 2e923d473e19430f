"""Models of the Hugging Face hub: downloaded once, then read from the local cache, for which no network is needed.

A hub that cannot be reached is reported at once, one that does not answer after a minute.
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
from gpt2_course.tokenizer_files import ADDED, CONFIG, MERGES, SPECIAL, VOCAB, WHOLE

# Seconds in which nothing comes, after which it is said that we wait, and after which we give up.
SAY_SO, GIVE_UP = 10.0, 60.0
TICK = 0.2  # seconds from one look to the next


def download(repository: str) -> Path:
    """The folder in the local cache with the files of a GPT-2, downloaded where they are not there yet.

    Raises `FileNotFoundError` where the hub has no such model, `ConnectionError` where it cannot be reached.
    """
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # silence its warning for every failed connection
    constants.HF_HUB_DISABLE_XET = True  # downloads by Xet may write nothing for minutes, as if no answer came
    cache = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    try:
        return patiently(lambda: _fetch_all(repository), lambda: _size(cache), constants.ENDPOINT)
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise FileNotFoundError(
            f"There is no model {repository!r}, neither a folder here nor one on the Hugging Face hub that all may "
            f"read: check the name."
        ) from error
    except FileNotFoundError as error:
        if isinstance(error, LocalEntryNotFoundError):
            raise _unreachable(repository, error) from error
        raise
    except Exception as error:  # the library hands through the errors of whatever it downloads with
        raise _unreachable(repository, error) from error


def _unreachable(repository: str, error: Exception) -> ConnectionError:
    reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
    return ConnectionError(
        f"{repository} could not be downloaded from the Hugging Face hub ({reason}): connect to the internet "
        f"and try again, or give the path of a model folder that is already here."
    )


def patiently(work: Callable[[], Path], progress: Callable[[], object], whom: str) -> Path:
    """What `work` returns, or raises, however long it takes, as long as `progress` changes.

    Where it does not, says after `SAY_SO` seconds whom it waits for, and raises `TimeoutError` after `GIVE_UP` seconds.
    """
    result: Future[Path] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, daemon=True).start()  # a daemon does not keep the program from ending
    before, since, said = progress(), monotonic(), False
    while not wait([result], timeout=TICK).done:
        if (now := progress()) != before:
            before, since, said = now, monotonic(), False
        waited = monotonic() - since
        if waited >= GIVE_UP:
            raise TimeoutError(f"no answer from {whom} for {GIVE_UP:g} seconds")
        if waited >= SAY_SO and not said:
            print(f"Waiting for an answer from {whom}, for up to {GIVE_UP:g} seconds …", file=sys.stderr, flush=True)
            said = True
    return result.result()


def _size(folder: Path) -> tuple[int, int]:
    """How many files a folder holds, and how many bytes, while others write there."""
    sizes = []
    for path in folder.rglob("*"):
        try:
            sizes.append(path.lstat().st_size)
        except OSError:  # just moved away
            continue
    return len(sizes), sum(sizes)


def _fetch_all(repository: str) -> Path:
    folder = _complete(repository)
    if folder is not None:
        return folder
    _ask(repository)

    def fetch(name: str) -> Path | None:
        """The file in the cache; None if the hub does not have it."""
        try:
            return Path(hf_hub_download(repository, name))
        except LocalEntryNotFoundError:  # the connection broke
            raise
        except EntryNotFoundError:
            return None

    config = fetch("config.json")
    for name in (CONFIG, SPECIAL) if fetch(WHOLE) else (CONFIG, SPECIAL, VOCAB, MERGES, ADDED):
        fetch(name)
    # the weights last: where they are here, so is all the rest
    found = config and (fetch(WEIGHTS) or fetch(INDEX))
    if not config or not found or not all(fetch(path.name) for path in weight_files(config.parent)):
        raise FileNotFoundError(
            f"{repository} on the Hugging Face hub is no GPT-2 that can be read: config.json and {WEIGHTS} are needed."
        )
    return config.parent


def _complete(repository: str) -> Path | None:
    """The folder in the cache, if all that is needed is there."""
    known = {name: try_to_load_from_cache(repository, name) for name in ("config.json", WHOLE, VOCAB, MERGES)}
    if not isinstance(known["config.json"], str):
        return None
    folder = Path(known["config.json"]).parent
    # what is neither a path nor None is a mark that the hub has no such file
    tokenizer = isinstance(known[WHOLE], str) or (known[VOCAB] is not None and known[MERGES] is not None)
    return folder if tokenizer and all(path.is_file() for path in weight_files(folder)) else None


def _ask(repository: str) -> None:
    """Raises what keeps the hub from answering: at once, while a download would go on trying for minutes."""
    url = hf_hub_url(repository, "config.json")
    for try_again in (True, False):
        try:
            get_hf_file_metadata(url, timeout=GIVE_UP)
            return
        except EntryNotFoundError:
            return
        except (HfHubHTTPError, OfflineModeIsEnabled):
            raise
        except Exception:  # of whatever the library connects with
            if not try_again:
                raise
        sleep(0.5)
