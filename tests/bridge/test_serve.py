"""The server as a process: what callers and operators see of it."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.bridge.bridge_process import (
    PATIENCE_S,
    SERVICE,
    BridgeProcess,
    Client,
    bridge,
    children,
    client_of,
    is_running,
    wait_until,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BridgeProcess]:
    """One bridge for all tests that leave it as they found it."""
    path = tmp_path_factory.mktemp("shared") / "bridge.sock"
    with bridge(
        f"unix://{path}",
        *("--workers", "2"),
        *("--queue-size", "3"),
        *("--max-worker-memory-bytes", str(256 * 2**20)),
    ) as process:
        yield process


@pytest.fixture
def client(shared: BridgeProcess) -> Iterator[Client]:
    with client_of(shared) as client:
        yield client


def test_answers_every_method_of_the_contract(client: Client) -> None:
    for method in ("Pack", "Repack", "Predict", "Advise"):
        assert client.ask(b"method", method) == method.encode()


def test_every_request_is_one_log_line(shared: BridgeProcess, client: Client) -> None:
    before = len(shared.events("request"))
    client.ask(b"echo hello")
    client.refusal(b"nonsense")
    wait_until(lambda: len(shared.events("request")) == before + 2, "two lines")
    good, bad = shared.events("request")[-2:]
    assert (good["method"], good["code"], good["topology"]) == ("Pack", "OK", "t1")
    assert good["took_ms"] > 0
    assert good["request_bytes"] == len(b"echo hello")
    assert (bad["code"], "no known word" in bad["sentence"]) == ("INVALID_ARGUMENT", True)


def test_planning_is_configured_with_the_settings(client: Client) -> None:
    configured = client.ask(b"configured")
    assert b"'objective': 'balanced', 'profiles_dir': None, 'headroom': 0.2" in configured


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (b"", "INVALID_ARGUMENT", "no known word"),
        (b"incompatible", "FAILED_PRECONDITION", "update the bridge"),
        (b"unoffered", "UNIMPLEMENTED", "Advise is not offered"),
        (b"defect", "INTERNAL", "incident"),
        (b"recurse", "INTERNAL", "incident"),
        (b"exit 7", "INTERNAL", "status 7"),
        (b"quit", "INTERNAL", "incident"),
        (b"die 11", "INTERNAL", "SIGSEGV"),
        (b"die 9", "INTERNAL", "memory"),
        (b"hog", "RESOURCE_EXHAUSTED", "max_worker_memory_bytes = 268435456"),
    ],
)
def test_a_request_that_fails_is_explained_and_the_next_one_served(
    client: Client, request_: bytes, code: str, words: str
) -> None:
    # More often than there are workers, so that a worker that stays away would be noticed.
    for _ in range(3):
        found, sentence = client.refusal(request_)
        assert found == code
        assert words in sentence
        assert "\n" not in sentence
    assert client.ask(b"echo next") == b"next"


def test_a_defect_shows_its_details_in_the_log_only(shared: BridgeProcess, client: Client) -> None:
    _, sentence = client.refusal(b"defect")
    assert "secret detail" not in sentence
    incident = sentence.rpartition(" ")[2]
    wait_until(
        lambda: any(line.get("incident") == incident for line in shared.events("request")),
        "the incident",
    )
    [line] = [line for line in shared.events("request") if line.get("incident") == incident]
    assert line["level"] == "error"
    assert "ZeroDivisionError: secret detail" in line["trace"]


def test_noise_gets_a_status_and_the_next_request_is_served(client: Client) -> None:
    code, sentence = client.refusal(os.urandom(10_000_000))
    assert code == "INVALID_ARGUMENT"
    assert sentence
    code, sentence = client.refusal(bytes(17 * 2**20))
    assert code == "RESOURCE_EXHAUSTED"
    assert str(16 * 2**20) in sentence
    assert client.ask(b"echo next") == b"next"


def test_noise_from_many_callers_at_once(client: Client) -> None:
    with ThreadPoolExecutor(20) as callers:
        codes = list(callers.map(lambda _: client.refusal(os.urandom(100_000))[0], range(100)))
    assert set(codes) <= {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
    assert client.ask(b"echo next") == b"next"


def test_noise_instead_of_http(shared: BridgeProcess, client: Client) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(PATIENCE_S)
        raw.connect(shared.address.removeprefix("unix://"))
        raw.sendall(os.urandom(1000))
        while raw.recv(65536):  # until the bridge hangs up
            pass
    assert client.ask(b"echo next") == b"next"


@pytest.mark.parametrize("word", ["spin", "stuck"])
def test_a_deadline_ends_the_worker_that_plans(client: Client, tmp_path: Path, word: str) -> None:
    pid_file = tmp_path / "pid"
    code, _ = client.refusal(f"{word} {pid_file}".encode(), timeout=1.0)
    assert code == "DEADLINE_EXCEEDED"
    pid = int(pid_file.read_text())
    wait_until(lambda: not is_running(pid), "the end of the worker")
    assert client.ask(b"echo next") == b"next"


def test_a_cancelled_call_ends_the_worker_that_plans(
    shared: BridgeProcess, client: Client, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    call = client.begin(f"spin {pid_file}".encode())
    wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()), "the start of the work")
    call.cancel()
    pid = int(pid_file.read_text())
    wait_until(lambda: not is_running(pid), "the end of the worker")
    wait_until(lambda: shared.events("request")[-1]["code"] == "CANCELLED", "the log line")
    assert client.ask(b"echo next") == b"next"


def test_a_full_queue_refuses_at_once_and_health_still_answers(
    client: Client, tmp_path: Path
) -> None:
    running = [tmp_path / "0", tmp_path / "1"]
    calls = [client.begin(f"spin {path}".encode()) for path in running]
    wait_until(lambda: all(path.exists() for path in running), "both workers busy")
    wait_until(lambda: all(path.read_text() for path in running), "both workers busy")
    assert running[0].read_text() != running[1].read_text()
    never = tmp_path / "never"
    waiting = [client.begin(f"spin {never}".encode(), timeout=2.0) for _ in range(3)]
    codes = []

    def full() -> bool:
        codes.append(client.refusal(b"echo x", timeout=1.0))
        return codes[-1][0] == "RESOURCE_EXHAUSTED"

    wait_until(full, "the queue to be full")
    assert "3 requests are waiting already" in codes[-1][1]
    assert "queue_size = 3" in codes[-1][1]
    assert client.is_serving()
    assert services(client)
    for call in waiting:
        assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    for call in calls:
        call.cancel()
    assert client.ask(b"echo next") == b"next"
    assert not never.exists(), "a request whose deadline had passed was started"


def services(client: Client) -> set[str]:
    reflect = reflection_pb2_grpc.ServerReflectionStub(client.channel).ServerReflectionInfo
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    [response] = reflect(iter([request]), timeout=PATIENCE_S)
    return {service.name for service in response.list_services_response.service}


def test_reflection_describes_the_service(client: Client) -> None:
    assert services(client) >= {SERVICE, "grpc.health.v1.Health"}
    reflect = reflection_pb2_grpc.ServerReflectionStub(client.channel).ServerReflectionInfo
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE)
    [response] = reflect(iter([request]), timeout=PATIENCE_S)
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(data)
        for data in response.file_descriptor_response.file_descriptor_proto
    ]
    methods = [
        method.name for file in files for service in file.service for method in service.method
    ]
    assert methods == ["Pack", "Repack", "Predict", "Advise"]


def test_health_knows_the_server_and_the_service(client: Client) -> None:
    assert client.is_serving("")
    assert client.is_serving(SERVICE)
    with pytest.raises(grpc.RpcError) as caught:
        client.is_serving("other")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_worker_that_has_grown_is_replaced(client: Client) -> None:
    for _ in range(3):
        # Each by a fresh worker: one that had leaked before would count on.
        assert client.ask(b"leak 50") == b"50"


def test_a_message_that_contains_line_ends_and_is_long_is_shortened(client: Client) -> None:
    code, sentence = client.refusal(b"\n" * 4 + b"long " * 100_000)
    assert code == "INVALID_ARGUMENT"
    assert len(sentence) <= 500


def test_survives_the_loss_of_workers_and_of_the_fork_server(tmp_path: Path) -> None:
    with bridge(f"unix://{tmp_path}/s", "--workers", "2") as process, client_of(process) as client:
        fork_server = next(
            pid
            for pid in children(process.process.pid)
            if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.kill(fork_server, signal.SIGKILL)
        wait_until(lambda: not is_running(fork_server), "the end of the fork server")
        assert client.ask(b"echo on") == b"on"
        for _ in range(4):
            worker = int(client.ask(b"pid"))
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda pid=worker: not is_running(pid), "the end of the worker")
            code = b""
            while code != b"on":  # the kill may meet the next request
                code = client.ask(b"echo on")
        assert client.is_serving()


def test_stopping_waits_for_requests_in_flight(tmp_path: Path) -> None:
    path = tmp_path / "bridge.sock"
    with bridge(f"unix://{path}") as process, client_of(process) as client:
        pids = children(process.process.pid)
        # A health watch never ends by itself, and must not hold up the stop.
        watch = health_pb2_grpc.HealthStub(client.channel).Watch(
            health_pb2.HealthCheckRequest(service=SERVICE)
        )
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        call = client.begin(f"nap {tmp_path}/started".encode())
        wait_until((tmp_path / "started").exists, "the start of the work")
        process.process.send_signal(signal.SIGTERM)
        process.wait_for_event("draining")
        assert call.result() == b"slept"
        assert process.wait() == 0
        assert not path.exists()
        wait_until(lambda: not any(is_running(pid) for pid in pids), "the end of all processes")
        assert process.events("stopped")
        assert not process.events("cut_off")


@pytest.mark.parametrize("hurry", ["grace", "second signal"])
def test_stopping_cuts_off_what_takes_too_long(tmp_path: Path, hurry: str) -> None:
    pid_file = tmp_path / "pid"
    grace_s = "0.2" if hurry == "grace" else "1000"
    with (
        bridge(f"unix://{tmp_path}/s", "--grace-s", grace_s) as process,
        client_of(process) as client,
    ):
        call = client.begin(f"stuck {pid_file}".encode())
        wait_until(pid_file.exists, "the start of the work")
        process.process.send_signal(signal.SIGTERM)
        process.wait_for_event("draining")
        if hurry == "second signal":
            process.process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        assert isinstance(call.exception(), grpc.RpcError)
        assert not is_running(int(pid_file.read_text()))
        assert process.events("cut_off")[0]["in_flight"] == 1


def test_signals_to_the_whole_group_leave_the_requests_alone(tmp_path: Path) -> None:
    """Service managers and terminals signal every process of a service."""
    with bridge(f"unix://{tmp_path}/s") as process, client_of(process) as client:
        call = client.begin(f"nap {tmp_path}/started".encode())
        wait_until((tmp_path / "started").exists, "the start of the work")
        for pid in [*children(process.process.pid), process.process.pid]:
            os.kill(pid, signal.SIGTERM)
        assert call.result() == b"slept"
        assert process.wait() == 0


def test_workers_end_with_a_bridge_that_is_killed(tmp_path: Path) -> None:
    with bridge(f"unix://{tmp_path}/s") as process:
        pids = children(process.process.pid)
        assert len(pids) >= 3
        process.kill()
        wait_until(lambda: not any(is_running(pid) for pid in pids), "the end of the workers")


def test_socket_file_has_the_permissions_of_the_settings(tmp_path: Path) -> None:
    for mode, arguments in ((0o600, ()), (0o660, ("--socket-mode", "660"))):
        path = tmp_path / oct(mode)
        with bridge(f"unix://{path}", *arguments):
            assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_stale_socket_is_replaced_and_a_live_one_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bridge.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with bridge(f"unix://{path}") as process, client_of(process) as client:
        second = BridgeProcess(f"unix://{path}", ())
        assert second.wait() == 3
        assert "another process serves there" in second.lines[-1]
        assert client.ask(b"echo still here") == b"still here"


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with bridge("localhost:0") as process, client_of(process) as client:
        second = BridgeProcess(process.target, ())
        assert second.wait() == 3
        assert "another process uses the port" in second.lines[-1]
        assert process.target in second.lines[-1]
        assert not any("Traceback" in line for line in second.lines)
        assert client.ask(b"echo still here") == b"still here"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("unix:///no/such/folder/s", "No such file"),
        # Reserved for documentation, so no machine has it.
        ("192.0.2.1:50550", "Cannot assign"),
    ],
)
def test_an_address_that_cannot_be_used(address: str, words: str) -> None:
    process = BridgeProcess(address, ("--allow-insecure",))
    assert process.wait() == 3
    assert words in process.lines[-1]
    assert address in process.lines[-1]


def test_a_token_is_required_except_for_health(tmp_path: Path) -> None:
    token = "correct-horse-battery"
    token_file = tmp_path / "token"
    token_file.write_text(token + "\n")
    token_file.chmod(0o600)
    with (
        bridge(f"unix://{tmp_path}/s", "--token-file", str(token_file)) as process,
        client_of(process) as client,
    ):
        good = [("authorization", f"Bearer {token}")]
        assert client.ask(b"echo x", metadata=good) == b"x"
        for metadata in ([], [("authorization", f"Bearer {token}x")], [("authorization", token)]):
            code, sentence = client.refusal(b"echo x", metadata=metadata)
            assert code == "UNAUTHENTICATED"
            assert "authorization: Bearer" in sentence
        with pytest.raises(grpc.RpcError) as caught:
            services(client)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert client.is_serving()
        assert process.stop() == 0
        assert not any(token in line for line in process.lines)


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a certificate of it for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        folder,
        *("req", "-x509", *new, "-subj", "/CN=authority", "-days", "2"),
        *("-keyout", "ca.key", "-out", "ca.crt"),
    )
    openssl(
        folder,
        *("req", *new, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", "server.key", "-out", "server.csr"),
    )
    openssl(
        folder,
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "2"),
        *("-copy_extensions", "copy", "-out", "server.crt"),
    )
    return folder


def test_tls_with_client_certificates(certificates: Path) -> None:
    authority = (certificates / "ca.crt").read_bytes()
    key = (certificates / "server.key").read_bytes()
    certificate = (certificates / "server.crt").read_bytes()
    with bridge(
        "localhost:0",
        *("--tls-cert-file", str(certificates / "server.crt")),
        *("--tls-key-file", str(certificates / "server.key")),
        *("--tls-client-ca-file", str(certificates / "ca.crt")),
    ) as process:
        known = grpc.ssl_channel_credentials(authority, key, certificate)
        unknown = grpc.ssl_channel_credentials(authority)
        client = Client(process.target, known)
        with client.channel:
            assert client.ask(b"echo x") == b"x"
        for client in (Client(process.target, unknown), Client(process.target)):
            with client.channel:
                assert client.refusal(b"echo x")[0] == "UNAVAILABLE"


def test_files_that_are_no_certificate_or_token(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(os.urandom(100))
    (tmp_path / "short").write_text("secret")
    noise, short = str(tmp_path / "noise"), str(tmp_path / "short")
    for arguments, words in (
        (("--tls-cert-file", noise, "--tls-key-file", noise), "no PEM certificate"),
        (("--token-file", short), "at least 16"),
        (("--token-file", "/no/such/file"), "No such file"),
        (("--profiles-dir", "/no/such/folder"), "'/no/such/folder' is no folder; create it"),
    ):
        process = BridgeProcess(f"unix://{tmp_path}/s", arguments)
        assert process.wait() == 3
        assert words in process.lines[-1]
        assert "secret" not in process.lines[-1]


def test_settings_that_are_wrong_are_one_sentence(tmp_path: Path) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text("queue_sise = 4\n")
    process = BridgeProcess("localhost:0", ("--config", str(config)))
    assert process.wait() == 2
    assert process.lines == [
        f"heron-bridge: {config}: 'queue_sise' is no option; did you mean 'queue_size'?"
    ]


def test_requests_that_arrive_during_the_start_wait_for_a_worker(tmp_path: Path) -> None:
    process = BridgeProcess(f"unix://{tmp_path}/s", ())
    try:
        with client_of(process) as client:
            assert client.ask(b"echo early", wait_for_ready=True) == b"early"
    finally:
        process.kill()
