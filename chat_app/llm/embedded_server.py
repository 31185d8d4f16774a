"""The child process that runs the embedded model: `python -m chat_app.llm.embedded_server`.

It reads one line of JSON from its standard input, answers one line of JSON when the model listens,
and lives until its standard input ends, which the parent's death brings about on every system.
"""

import ctypes
import json
import os
import signal
import sys
from importlib import import_module

_PR_SET_PDEATHSIG = 1  # prctl(2)
_POLITENESS = 5  # so that the web server's event loop is served first


def _die_with(parent: int) -> None:
    """Be killed when the parent dies, even while the main thread is busy loading."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _keep_quiet() -> int:
    """Send what libraries print nowhere; return a descriptor of the real standard output."""
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return out


def main() -> None:
    """Serve the model until the parent is gone."""
    # Ctrl-C in the terminal reaches the whole group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    oauth_request = json.loads(sys.stdin.buffer.readline())
    _die_with(oauth_request["parent"])
    out = _keep_quiet()
    if hasattr(os, "nice"):
        os.nice(_POLITENESS)

    xllamacpp = import_module("xllamacpp")  # after the silence: loading it may print
    params = xllamacpp.CommonParams()
    params.model.path = oauth_request["path"]
    params.api_keys = [oauth_request["key"]]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = oauth_request["slots"] * oauth_request["slot_tokens"]
    params.n_parallel = oauth_request["slots"]
    params.cpuparams.n_threads = oauth_request["threads"]
    params.cpuparams_batch.n_threads = oauth_request["threads"]
    params.cache_ram_mib = 0
    params.endpoint_slots = False
    params.ui = False
    server = xllamacpp.Server(params)

    os.write(out, json.dumps({"address": server.listening_address}).encode() + b"\n")
    os.close(out)
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
