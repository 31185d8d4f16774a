"""The child process that serves the embedded model: `python -m chat_app.llm.embedded_server`.

It reads its configuration as one line of JSON from standard input, writes its URL as one line of
JSON when the model listens, and exits when standard input ends, as it does when the parent dies.
"""

import ctypes
import json
import os
import signal
import sys
from importlib import import_module

_PR_SET_PDEATHSIG = 1  # prctl(2)
_NICENESS = 5  # so that the web server's event loop is served first


def _exit_with(parent: int) -> None:
    """Get killed when the parent dies, even while the main thread loads the model."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _silence_output() -> int:
    """Discard what libraries print; return a descriptor of the real standard output."""
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return out


def main() -> None:
    """Serve the model until the parent exits."""
    # Ctrl-C in the terminal reaches the whole group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config = json.loads(sys.stdin.buffer.readline())
    _exit_with(config["parent"])
    out = _silence_output()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)

    xllamacpp = import_module("xllamacpp")  # imported now, because loading it may print
    params = xllamacpp.CommonParams()
    params.model.path = config["path"]
    params.api_keys = [config["key"]]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = config["slots"] * config["slot_tokens"]
    params.n_parallel = config["slots"]
    params.cpuparams.n_threads = config["threads"]
    params.cpuparams_batch.n_threads = config["threads"]
    params.cache_ram_mib = 0
    params.endpoint_slots = False
    params.ui = False
    server = xllamacpp.Server(params)

    os.write(out, json.dumps({"url": server.listening_address}).encode() + b"\n")
    os.close(out)
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
