"""The UI on a store: it answers, and on this machine only."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest

from segsweep.tracking.store import Store

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(url: str, process: "subprocess.Popen[bytes]") -> bytes:
    deadline = time.monotonic() + 120
    while True:
        try:
            return urllib.request.urlopen(url, timeout=10).read()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.5)


def test_the_ui_shows_the_store_on_the_loopback_address_alone(workplace):
    Store.open("sqlite:///mlruns/mlflow.db", "fields")
    port = free_port()
    command = [sys.executable, "-m", "segsweep.cli", "ui", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert b"MLflow" in answer(f"http://127.0.0.1:{port}/", process)
        listening = [
            connection.laddr.ip
            for member in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for connection in member.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        ]
        assert set(listening) == {"127.0.0.1"}
        # A program that talks to the server sees the same store.
        client = Store.open_to_read(f"http://127.0.0.1:{port}", "fields")
        assert client.of_kind("sweep") == []
    finally:
        for member in psutil.Process(process.pid).children(recursive=True):
            member.kill()
        process.kill()
        process.wait()
