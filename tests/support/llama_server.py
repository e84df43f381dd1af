"""A real llama.cpp server on loopback: `python llama_server.py MODEL.gguf`. Prints `READY PORT` when it answers."""

import signal
import sys
import threading

import xllamacpp


def main(model: str) -> None:
    """Serve `model` with one thread until SIGTERM."""
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {"smollm2"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 2
    params.n_threads_http = 4
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja = True
    params.warmup = False
    params.offline = True
    params.endpoint_metrics = True
    server = xllamacpp.Server(params)
    print("READY", server.listening_address.rstrip("/").rpartition(":")[2], flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()


if __name__ == "__main__":
    main(sys.argv[1])
