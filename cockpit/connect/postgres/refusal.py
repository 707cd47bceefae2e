"""Why a PostgreSQL server would not have us: libpq's text, else the server's own first words."""

from __future__ import annotations

import os
import ssl

from cockpit.connect.meaning import NO_FILES, Meaning, out_of_files
from cockpit.connect.net.tls_failure import tls_failure
from cockpit.connect.postgres import errors as failures
from cockpit.connect.postgres.settings import PostgresSettings
from cockpit.connect.postgres.wire import Rung, first_words, tls_error
from cockpit.errors import BlindError, Reason

_NO_FILES = {os.strerror(code) for code in NO_FILES}


async def why_refused(
    text: str, settings: PostgresSettings, *, user: str, address: str
) -> BlindError:
    """Why the driver could not connect to one address. `text`: what libpq says."""
    where = f"{settings.host}:{settings.port}"
    meaning = failures.by_text(text)
    if meaning is failures.TLS:
        return await _why_not_tls(text, settings, address=address)
    if meaning is not None and meaning is not failures.STARTING:
        return meaning.blind(failures.server_words(text), where=where)
    words = await first_words(address, settings.port, user=user, database=settings.database)
    if words.message in _NO_FILES:
        return out_of_files(where)
    told = _of_pooler(failures.by_first_words(words), settings) or meaning
    if told is not None:
        return told.blind(words.message or failures.server_words(text), where=where)
    if "timeout" in text:
        mute = failures.POOLER_MUTE if settings.pooler else failures.MUTE
        return mute.blind("no answer to the login", where=where)
    return BlindError(Reason.UNREACHABLE, f"{where}: {failures.server_words(text)}")


async def why_mute(settings: PostgresSettings, *, user: str, address: str) -> BlindError | None:
    """What is wrong with a server that answers nobody. None: it still greets others. `address`:
    where the session was; of a name with several another one says nothing of it.
    """
    words = await first_words(address, settings.port, user=user, database=settings.database)
    meaning = _of_pooler(failures.by_first_words(words), settings)
    if meaning is None or words.rung is Rung.ERROR:
        return None
    return meaning.blind(words.message, where=f"{settings.host}:{settings.port}")


def _of_pooler(meaning: Meaning | None, settings: PostgresSettings) -> Meaning | None:
    """A pooler that is paused takes the connection and says nothing, as a hung server does."""
    return failures.POOLER_MUTE if meaning is failures.MUTE and settings.pooler else meaning


def roots_of(settings: PostgresSettings) -> str:
    """The file of trusted certificates; empty: libpq's own default, for a mode that trusts anybody.

    A mode that verifies gets the system's store, since libpq itself has none.
    """
    if settings.sslrootcert or settings.sslmode not in {"verify-ca", "verify-full"}:
        return settings.sslrootcert
    system = "system" if settings.sslmode == "verify-full" else ""
    return ssl.get_default_verify_paths().cafile or system


async def _why_not_tls(text: str, settings: PostgresSettings, *, address: str) -> BlindError:
    """What is wrong with the certificate: the driver says one thing for many reasons."""
    where = f"{settings.host}:{settings.port}"
    error = await tls_error(
        address,
        settings.port,
        name=settings.host,
        roots=roots_of(settings),
        sslmode=settings.sslmode,
    )
    if error is None:
        return failures.TLS.blind(failures.server_words(text), where=where)
    return tls_failure(failures.TLS, error, where=where, trusted="sslrootcert")
