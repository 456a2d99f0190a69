"""TLS of a listener: 1.2 or later, and certificates that can be replaced while connections stand."""

import ssl


class CertificateError(Exception):
    """No certificate with its key, or no authority, in these files. Says nothing of their content."""


class Certificates:
    """A server's context, read from files. Raises CertificateError."""

    def __init__(self, cert: str, key: str, client_ca: str | None = None) -> None:
        """`client_ca`: whoever connects needs a certificate that one of these authorities has signed."""
        self._cert, self._key, self._client_ca = cert, key, client_ca
        self.context = self._read()

    def reload(self) -> None:
        """New connections get what stands in the files now, or, where that is unsound, what they got before: then it
        raises. Authorities stay those of the start."""
        self._read()
        self.context.load_cert_chain(self._cert, self._key, _no_password)

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._cert, self._key, _no_password)
            if self._client_ca is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(self._client_ca)
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            raise CertificateError from None
        return context


def _no_password() -> str:
    """Nobody is there to type one: a key that has one is refused, where OpenSSL would ask at the terminal."""
    raise ValueError("the key has a password")
