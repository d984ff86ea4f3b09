"""nginx with docker/nginx/can-ser.conf, as documented, on free ports and with a certificate of its own."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from benchmarks.server_process import free_port
from tests.builders import ROOT
from tests.waiting import wait_until

CONFIGURATION = ROOT / "docker" / "nginx" / "can-ser.conf"
PREFIX = "/emotion"
_MAIN = """
worker_processes 1;
pid nginx.pid;
error_log error.log;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path temporary;
    proxy_temp_path temporary;
    fastcgi_temp_path temporary;
    uwsgi_temp_path temporary;
    scgi_temp_path temporary;
    include can-ser.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running nginx.

    Attributes:
        port: Port with TLS on 127.0.0.1.
        plain_port: Port without.
        certificate: Its self-signed certificate.
    """

    port: int
    plain_port: int
    certificate: Path

    @property
    def url(self) -> str:
        """Address of the service, with the prefix."""
        return f"https://127.0.0.1:{self.port}{PREFIX}"

    @property
    def tls(self) -> ssl.SSLContext:
        """Context that trusts the certificate."""
        return ssl.create_default_context(cafile=str(self.certificate))


def find_nginx() -> str:
    """Path of nginx; skips the test where nginx or openssl is missing."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not installed; on Debian and Ubuntu: apt-get install nginx-light openssl")
    return program


@contextmanager
def run_nginx(folder: Path, service_port: int) -> Iterator[Proxy]:
    """Run nginx in front of a service on 127.0.0.1 for the duration of the block."""
    program = find_nginx()
    proxy = Proxy(free_port(), free_port(), folder / "fullchain.pem")
    _make_certificate(folder)
    (folder / "temporary").mkdir()
    (folder / "can-ser.conf").write_text(_adapt(proxy, folder, service_port))
    # As root, nginx would otherwise drop to a user that may not enter the folder.
    user = "user root;" if folder.owner() == "root" else ""
    (folder / "nginx.conf").write_text(_MAIN.format(user=user))
    command = [program, "-p", str(folder), "-c", "nginx.conf", "-g", "daemon off;"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: process.poll() is not None or _is_up(proxy))
            if process.poll() is not None and process.stderr is not None:
                raise RuntimeError(process.stderr.read())
            yield proxy
        finally:
            process.terminate()
            process.wait(30)


def _make_certificate(folder: Path) -> None:
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)


def _adapt(proxy: Proxy, folder: Path, service_port: int) -> str:
    """The configuration with the changes that its first lines name, and with other ports."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    changes = {
        "listen 80;": f"listen 127.0.0.1:{proxy.plain_port};",
        "listen 443 ssl;": f"listen 127.0.0.1:{proxy.port} ssl;",
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{service_port};",
        "/etc/nginx/tls/": f"{folder}/",
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def _is_up(proxy: Proxy) -> bool:
    try:
        return httpx.get(f"{proxy.url}/metrics", verify=proxy.tls).status_code == httpx.codes.NOT_FOUND
    except httpx.TransportError:
        return False
