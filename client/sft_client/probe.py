"""Why can the server not be reached? One TLS handshake tells, in the operator's words."""

from __future__ import annotations

import socket
import ssl

_WRONG_HOST = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_DATES = {9: "is not valid yet", 10: "has expired"}


def diagnose(address: str, *, ca_cert: str, timeout_s: float = 5.0) -> str | None:
    """Return what stands between this machine and the server at ``address`` (``host:port``), None if nothing.

    ``ca_cert`` is the PEM text of the only CA that is trusted. The sentence ends with what to do.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    context.load_verify_locations(cadata=ca_cert)
    try:
        with (
            socket.create_connection((host, int(port)), timeout=timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return _about_the_certificate(address, host, error)
    except ssl.SSLError:
        return f"what listens at {address} does not speak TLS. Check `address` in federation.json."
    except socket.gaierror:
        return f"the name {host!r} cannot be resolved. Check `address` in federation.json, or the DNS."
    except ConnectionRefusedError:
        return f"nothing listens at {address}. Start the server (`sft-server start`), or check the address."
    except TimeoutError:
        return f"no answer from {address} in {timeout_s:.0f} s. Check the address, the network and firewalls."
    except OSError as error:
        return f"{address} cannot be reached: {error.strerror or error}. Check the address and the network."


def _about_the_certificate(address: str, host: str, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _WRONG_HOST:
        return (
            f"the certificate of {address} is not made for {host!r}. Have the server's operator set "
            "`public_address` and run `sft-server keys renew`."
        )
    if error.verify_code in _DATES:
        return (
            f"the certificate of {address} {_DATES[error.verify_code]}. "
            "Check this machine's clock, or have the server's operator run `sft-server keys renew`."
        )
    return (
        f"the certificate of {address} is not by the CA in federation.json ({error.verify_message}). "
        "Ask the server's operator for the present federation.json; if its CA has not changed, "
        "something else answers at this address."
    )
