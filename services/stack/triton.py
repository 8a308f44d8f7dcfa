"""Describes and prepares a Triton Inference Server on the loopback; who starts it watches it. Imports errors only."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import sys
import sysconfig
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigurationError

HOST = "127.0.0.1"
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_LIBRARY = f"libpython{_PYTHON}.so.1.0"
_OWN_LIBRARIES = Path(sysconfig.get_config_var("LIBDIR") or "/nowhere")
_BACKENDS = Path(__file__).parent / "backends"
_EXIT_S = 5  # how long requests in hand may take when it is told to stop
_LOOK_TIMEOUT_S = 2.0
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Triton and its stubs put what they exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonServer:
    """The server from the `nvidia-pytriton` wheel with our backend, serving a model repository on the processor."""

    environment_dir: Path  # the virtual environment that holds it: Programs.triton_environment()
    folder: Path  # its backends are laid out here
    repository: Path  # models as triton_models/ has them; their configs/cpu.pbtxt is what counts
    model: str  # of the repository, which it loads at its start: each costs a process; "*": all
    http_port: int
    grpc_port: int
    metrics_port: int

    @property
    def url(self) -> str:
        """HOST:PORT of its gRPC."""
        return f"{HOST}:{self.grpc_port}"

    def prepare(self) -> None:
        """Lay out the backends: Triton's for Python, with the stub of this Python, and ours. The server must not run.

        Raises:
            ConfigurationError: Triton has no stub for this Python, or the stub lacks Python's shared library.
        """
        source = self._wheel / "python_backend_stubs" / _PYTHON / "triton_python_backend_stub"
        if not source.is_file():
            raise ConfigurationError(f"Triton cannot run its backend on Python {_PYTHON}: use another one, or set HEADCOUNT_TRITON_URL")
        if not _has_shared_python():
            raise ConfigurationError(f"Triton's backend needs {_LIBRARY} (Debian, Ubuntu: apt-get install libpython{_PYTHON})")
        self.clear()
        shutil.rmtree(self._backends, ignore_errors=True)
        shutil.copytree(self._wheel / "backends" / "python", self._backends / "python")
        shutil.copy(source, self._stub)
        shutil.copytree(_BACKENDS / "onnxruntime", self._backends / "onnxruntime")

    def clear(self) -> None:
        """End the stubs that a killed server has left behind, and remove their shared memory. The server must not run."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile, or is another user's
                if (process / "exe").readlink() == self._stub.resolve():
                    os.kill(int(process.name), signal.SIGKILL)
        for region in _SHARED_MEMORY.glob(f"{self._regions}*"):
            region.unlink(missing_ok=True)

    def command(self) -> list[str]:
        """Return the command that runs the server; it logs to its stderr, and TERM stops it in good order."""
        listeners = [
            f"--{name}-{option}={value}"
            for name, port in (("http", self.http_port), ("grpc", self.grpc_port), ("metrics", self.metrics_port))
            for option, value in (("address", HOST), ("port", port))
        ]
        return [
            str(self._wheel / "bin" / "tritonserver"),
            f"--model-repository={self.repository}",
            f"--backend-directory={self._backends}",
            f"--backend-config=python,shm-region-prefix-name={self._regions}",
            f"--cache-directory={self._wheel / 'caches'}",
            "--model-config-name=cpu",
            "--disable-auto-complete-config",  # the contract is what is written
            "--model-control-mode=explicit",
            f"--load-model={self.model}",
            "--allow-gpu-metrics=false",
            f"--exit-timeout-secs={_EXIT_S}",
            *listeners,
        ]

    def environment(self) -> dict[str, str]:
        """Return the environment that the command runs in: the stub finds its packages by the first Python of PATH."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return {**inherited, "PATH": f"{self.environment_dir / 'bin'}:/usr/bin:/bin", "LD_LIBRARY_PATH": self._libraries()}

    def ready(self) -> bool:
        """Say whether what it loads at its start is loaded; a model whose stub has died since then still counts as ready."""
        connection = http.client.HTTPConnection(HOST, self.http_port, timeout=_LOOK_TIMEOUT_S)
        try:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @property
    def _regions(self) -> str:
        return f"headcount-triton-{self.grpc_port}-"  # the port: no other server of this machine has it

    @property
    def _backends(self) -> Path:
        return self.folder / "backends"

    @property
    def _stub(self) -> Path:
        return self._backends / "python" / "triton_python_backend_stub"

    @property
    def _packages(self) -> Path:
        return self.environment_dir / "lib" / f"python{_PYTHON}" / "site-packages"

    @property
    def _wheel(self) -> Path:
        return self._packages / "pytriton" / "tritonserver"

    def _libraries(self) -> str:
        """Return where the stub finds its libraries, that of Python among them if it is not where the system looks."""
        own = [_OWN_LIBRARIES] if (_OWN_LIBRARIES / _LIBRARY).is_file() else []
        return ":".join(str(folder) for folder in (*own, self._packages / "nvidia_pytriton.libs"))


def _has_shared_python() -> bool:
    return (_OWN_LIBRARIES / _LIBRARY).is_file() or find_library(f"python{_PYTHON}") is not None
