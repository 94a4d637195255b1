"""Clients of http read the certificates of authorities only when they are sent to https."""

import datetime
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tasador.machine.http import verification


@pytest.fixture
def certificate(tmp_path):
    """A file with a certificate of 127.0.0.1 that nobody has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def address(certificate):
    """The address of a server that sends every client on to one with the certificate."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302 if self.server is plain else 204)
            self.send_header("Location", f"https://127.0.0.1:{secure.server_port}/")
            self.end_headers()

        def log_message(self, *args):
            pass

    plain, secure = (HTTPServer(("127.0.0.1", 0), Answer) for _ in range(2))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threads = [threading.Thread(target=server.serve_forever) for server in (plain, secure)]
    for thread in threads:
        thread.start()
    yield f"http://127.0.0.1:{plain.server_port}"
    for server, thread in zip((plain, secure), threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


def get(address, *, trust_env=True):
    verify = verification(address, trust_env=trust_env)
    with httpx.Client(verify=verify, trust_env=trust_env, follow_redirects=True) as client:
        return client.get(address)


@pytest.mark.parametrize("trust_env", [True, False])
def test_a_redirection_to_a_server_that_is_not_trusted_fails(address, monkeypatch, trust_env):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        get(address, trust_env=trust_env)


def test_a_redirection_is_verified_as_the_environment_says(address, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert get(address).status_code == httpx.codes.NO_CONTENT
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        get(address, trust_env=False)


def test_a_connection_through_an_https_proxy_is_verified_too(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = verification("http://source.invalid", trust_env=True)
    tunnel = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="source.invalid")
    assert len(tunnel.context.get_ca_certs()) == 1
    assert tunnel.context.verify_mode == ssl.CERT_REQUIRED


def test_no_certificates_are_read_for_http(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/cert.pem")
    httpx.Client(verify=verification("http://source.invalid", trust_env=True)).close()
    assert verification("HTTPS://source.invalid", trust_env=True) is True
