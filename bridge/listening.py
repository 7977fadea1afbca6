"""Where the server listens: ports and socket files, TLS, the token; with errors for people."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import grpc

from bridge import logs
from bridge.address import TcpAddress, UnixAddress
from bridge.errors import CannotStart
from bridge.settings import Settings

MIN_TOKEN_CHARACTERS = 16


class CannotListen(CannotStart):
    """Why the server cannot listen, in a sentence."""


def read_token(path: Path) -> str:
    """Read the token; raise CannotListen when there is none to speak of."""
    text = _read(path, "token_file").decode("utf-8", "replace").strip()
    if len(text) < MIN_TOKEN_CHARACTERS or not (text.isascii() and text.isprintable()):
        raise CannotListen(
            f"token_file = {path}: a token is one line of at least {MIN_TOKEN_CHARACTERS} "
            "printable ASCII characters; make one with `openssl rand -hex 32`"
        )
    if path.stat().st_mode & 0o077:
        logs.event("token_file_open_to_others", level=logging.WARNING, file=str(path))
    return text


@contextlib.contextmanager
def listening(server: grpc.aio.Server, settings: Settings) -> Iterator[str]:
    """Bind the server to its address; yield the address with the port that was chosen.

    A socket file is removed at the end. Raises CannotListen.
    """
    credentials = _credentials(settings)
    address = settings.listen_address
    if isinstance(address, TcpAddress):
        port = _bind(server, str(address), credentials)
        if port == 0:
            raise CannotListen(f"cannot listen on {address}: {_why_not(address)}")
        yield str(TcpAddress(address.host, port))
        return
    _make_way(address)
    # The file must never exist with wider permissions, so the mask and not a later chmod.
    mask = os.umask(0o777 & ~int(settings.socket_mode, 8))
    try:
        bound = _bind(server, str(address), credentials)
    finally:
        os.umask(mask)
    if not bound:
        raise CannotListen(f"cannot listen on {address}: {_why_not(address)}")
    ours = address.path.stat().st_ino
    try:
        yield str(address)
    finally:
        # Not when another bridge has taken the place meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if address.path.stat().st_ino == ours:
                address.path.unlink()


def _bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError:
        return 0  # its message does not say why


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    certificate = _read(settings.tls_cert_file, "tls_cert_file")
    key = _read(settings.tls_key_file, "tls_key_file")
    # gRPC reports a bad certificate only as a failed bind, so let OpenSSL look first.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        raise CannotListen(
            f"tls_cert_file = {settings.tls_cert_file} and tls_key_file = "
            f"{settings.tls_key_file} are no PEM certificate with its unencrypted key: {error}"
        ) from None
    authorities = None
    if settings.tls_client_ca_file is not None:
        authorities = _read(settings.tls_client_ca_file, "tls_client_ca_file")
        try:
            context.load_verify_locations(settings.tls_client_ca_file)
        except ssl.SSLError as error:
            raise CannotListen(
                f"tls_client_ca_file = {settings.tls_client_ca_file} holds no PEM "
                f"certificates: {error}"
            ) from None
    return grpc.ssl_server_credentials(
        [(key, certificate)],
        root_certificates=authorities,
        require_client_auth=authorities is not None,
    )


def _make_way(address: UnixAddress) -> None:
    """Remove a socket file that nobody listens on; gRPC would also take a live one away."""
    try:
        mode = address.path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise CannotListen(f"cannot listen on {address}: {error.strerror}") from None
    if not stat.S_ISSOCK(mode):
        raise CannotListen(f"cannot listen on {address}: the file exists and is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(address.path))
        except ConnectionRefusedError:
            address.path.unlink()
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {address}: the socket exists and cannot be tried: {error}"
            ) from None
        else:
            raise CannotListen(f"cannot listen on {address}: another process serves there already")


def _why_not(address: TcpAddress | UnixAddress) -> str:
    """Bind in the plain way to learn the reason, which gRPC keeps to itself."""
    try:
        if isinstance(address, UnixAddress):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.bind(str(address.path))
            address.path.unlink()
        else:
            for family, kind, _, _, where in socket.getaddrinfo(
                address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
                with socket.socket(family, kind) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(where)
                    probe.listen()
    except socket.gaierror as error:
        return f"the host cannot be resolved ({error.strerror})"
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "another process uses the port; stop it, or choose another address"
        return error.strerror or str(error)
    return "gRPC gives no reason (GRPC_VERBOSITY=info may tell)"


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotListen(f"{option} = {path}: {error.strerror}") from None
