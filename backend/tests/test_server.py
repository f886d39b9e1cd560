"""The process, as ECS runs and stops it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

from app.settings import Settings
from tests.conftest import BACKEND, environment, free_port

TIMEOUTS = ["--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "20"]  # as the Dockerfile's


def start(settings: Settings, app: str = "app.asgi:app") -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port), *TIMEOUTS],
        cwd=BACKEND,
        env={**environment(settings), "PORT": str(port)},
    )
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, "it did not start"
            time.sleep(0.1)
        else:
            break
    return process, port


def test_health_check_command(server: Settings) -> None:
    process, port = start(server)
    command = [sys.executable, "-m", "app.healthcheck"]
    env = {**os.environ, "PORT": str(port)}
    try:
        assert subprocess.run(command, cwd=BACKEND, env=env, check=False).returncode == 0
    finally:
        process.terminate()
        process.wait(30)
    assert subprocess.run(command, cwd=BACKEND, env=env, check=False, capture_output=True).returncode == 1


def test_sigterm_lets_a_request_finish(server: Settings) -> None:
    process, port = start(server, "tests.slow:app")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while urllib.request.urlopen(f"http://127.0.0.1:{port}/started").read() != b"1":
            pass
        process.send_signal(signal.SIGTERM)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert b"finished" in answer
    process.wait(30)
