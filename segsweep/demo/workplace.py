"""The server's side of the worker process: starting it, asking it, and starting it anew when it did not survive."""

import contextlib
import json
import os
import selectors
import subprocess
import threading
import time
from typing import Any

from segsweep.errors import ModelError, SegsweepError
from segsweep.predict.child_process import how_it_ended, no_answer, started
from segsweep.predict.request import Request


class Workplace:
    """Has images looked at, one at a time, by a process of its own. For several threads."""

    def __init__(self, request: Request, timeout: float):
        """Loads the models.

        Args:
            request: which models, and how images are made their input.
            timeout: seconds for one answer, after which the process is ended.

        Raises:
            SegsweepError: a model cannot be used.
        """
        self._request, self._timeout = request, timeout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._messages = -1
        try:
            self.facts: dict[str, Any] = self._start()
        except BaseException:
            self.close()
            raise

    def look_at(self, name: str, content: bytes, whole: bool) -> dict[str, Any]:
        """What `Answers.of_image` gives.

        Raises:
            SegsweepError: the image cannot be used, or a model failed on it.
            RuntimeError: a defect of segsweep.
        """
        with self._lock:
            if self._process is None:
                self._start()
            header = {"name": name, "bytes": len(content), "whole": whole}
            return self._asked(json.dumps(header).encode() + b"\n" + content)

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        os.close(self._messages)

    def _start(self) -> dict[str, Any]:
        self._process, self._messages = started("segsweep.demo.worker", subprocess.DEVNULL)
        return self._asked(self._request.to_json().encode() + b"\n")

    def _asked(self, question: bytes) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            # Where the process is gone, its answer says so.
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(question)
                self._process.stdin.flush()
            answer = json.loads(self._line())
        except BaseException:
            self.close()
            raise
        if "error" in answer:
            raise SegsweepError(answer["error"])
        if "defect" in answer:
            raise RuntimeError(answer["traceback"])
        return answer["found"]

    def _line(self) -> bytes:
        parts: list[bytes] = []
        models = ", ".join(self._request.models)
        end = time.monotonic() + self._timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self._messages, selectors.EVENT_READ)
            while not (parts and parts[-1].endswith(b"\n")):
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise no_answer(models, self._timeout)
                data = os.read(self._messages, 2**20)
                if not data:
                    assert self._process is not None
                    ended = how_it_ended(self._process.wait())
                    raise ModelError(f"{models}: predicting with it crashed: {ended}")
                parts.append(data)
        return b"".join(parts)
