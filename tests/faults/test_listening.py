"""Nothing of this project listens where another machine could call."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from support.command_line import EXPERIMENT, HARNESS, environment
from support.mlflow_store import HANG_SECONDS, free_port, make_database, wait_until
from support.paths import ROOT

# From inside mlflow, where an empty store is made.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


def listening(pid: int) -> set[str]:
    """The addresses at which a process or one that it started accepts connections."""
    found = set[str]()
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                inet = process.net_connections(kind="inet")
                found |= {socket.laddr.ip for socket in inet if socket.status == psutil.CONN_LISTEN}
    return found


def commanded(session: str) -> list[str]:
    """The arguments of the program that a session of the noxfile runs, as it gives them."""
    module = ast.parse((ROOT / "noxfile.py").read_text())
    names = {
        node.targets[0].id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    (function,) = (n for n in module.body if isinstance(n, ast.FunctionDef) and n.name == session)
    (call,) = (n for n in ast.walk(function) if isinstance(n, ast.Call) and ast.unparse(n.func) == "_run")
    words = [argument for argument in call.args[1:] if not isinstance(argument, ast.Starred)]
    return [names[word.id] if isinstance(word, ast.Name) else ast.literal_eval(word) for word in words]


@pytest.mark.promise("P11")
def test_a_sweep_and_its_mirror_listen_nowhere(tmp_path: Path) -> None:
    """From the first moment to the last, at no address at all: looked at twenty times a second."""
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    command = [str(HARNESS), "sweep", "small.toml", "--engine", "batched-cpu"]
    found, processes, end = set[str](), set[int](), time.monotonic() + HANG_SECONDS
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(ROOT)),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as sweep:
        while sweep.poll() is None:
            assert time.monotonic() < end
            found |= listening(sweep.pid)
            with suppress(psutil.NoSuchProcess):
                processes |= {child.pid for child in psutil.Process(sweep.pid).children(recursive=True)}
            time.sleep(0.05)
        assert sweep.stderr is not None
        assert "MLflow (" in sweep.stderr.read()  # the mirror was at work: how far it came in time does not matter
    assert sweep.returncode == 0
    assert processes  # the mirror's was among those looked at
    assert found == set()


@pytest.mark.promise("P11")
def test_the_pages_of_mlflow_are_for_this_machine_alone(tmp_path: Path) -> None:
    """``nox -s ui``, as the noxfile runs it: loopback only, and no answer to a name that is not this machine's."""
    make_database(tmp_path / "mlflow.db")
    port = free_port()
    program, *arguments = commanded("ui")
    command = [str(Path(sys.executable).with_name(program)), *arguments, "--port", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: answer(port, f"127.0.0.1:{port}") == 200)
            assert listening(server.pid) == {"127.0.0.1"}
            assert answer(port, "gan.example") == 403
        finally:
            for child in psutil.Process(server.pid).children(recursive=True):
                child.terminate()
            server.terminate()


def answer(port: int, host: str) -> int | None:
    """The status with which the server answers a request that names it so; None where nobody answers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search?max_results=1")
    request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - http
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None
