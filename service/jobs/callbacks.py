"""Callbacks: a signed message to the receiver of a job when the job has ended, repeated until it is accepted.

Messages are at least once: the attempt whose response is lost is repeated with the same `webhook-id`, by which a
receiver recognises it. Attempts are counted in the database of jobs, so that a restart continues them.

Source: Standard Webhooks 1.0.0 (payload, headers, signature).
"""

import asyncio
import base64
import json
import secrets
from contextlib import suppress
from contextvars import Context
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

import structlog
from standardwebhooks import Webhook

from alignment.timing import Seconds
from service.errors import CallbackRefusedError, JobsUnavailableError, SettingsError
from service.jobs.access import StoreAccess
from service.jobs.callback_address import CallbackAddress, CallbackPolicy
from service.jobs.callback_post import CallbackClient, DeliveryError
from service.jobs.callback_table import DueCallback, RetrySchedule
from service.observability.failures import outline_traceback
from service.observability.metrics import Metrics
from service.setting_groups import JobSettings

MAX_AT_ONCE: Final = 16
"""Callbacks that are sent at once, so that a slow receiver does not delay the others."""
_SWEEP_S: Final[Seconds] = 60.0
_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = (24, 64)
log = structlog.stdlib.get_logger("service.jobs.callbacks")


def make_secret() -> str:
    """A new secret for CAN_JOBS__CALLBACK_SECRET."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


class CallbackSender:
    """Sends the callbacks of ended jobs while it runs."""

    def __init__(self, access: StoreAccess, settings: JobSettings, metrics: Metrics) -> None:
        """Access no disk and no network yet.

        Raises:
            SettingsError: Hosts are allowed, and the secret is missing or malformed.
        """
        self._access, self._metrics = access, metrics
        self._policy = CallbackPolicy(settings.callback_hosts, settings.callback_networks)
        self._signers = _read_secrets(settings.callback_secret.get_secret_value())
        if self._policy.allows_any and not self._signers:
            raise SettingsError(
                "CAN_JOBS__CALLBACK_HOSTS needs CAN_JOBS__CALLBACK_SECRET, which signs callbacks; "
                "`can-ser key --callback` creates one"
            )
        self._schedule = RetrySchedule(
            settings.callback_attempts, settings.callback_retry_s, settings.callback_timeout_s, settings.keep_s
        )
        self._client = CallbackClient(self._policy, settings.callback_timeout_s)
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending = 0
        metrics.add_gauge("callbacks_pending", "Callbacks to be sent or sent again.", lambda: self._pending)

    def check(self, url: str) -> None:
        """Raise unless callbacks may be sent to an address.

        Raises:
            CallbackRefusedError: See `CallbackPolicy.check`.
        """
        self._policy.check(url)

    def wake(self) -> None:
        """Look for callbacks that are due, because a job has ended."""
        self._ended.set()

    async def run(self) -> None:
        """Send callbacks as they become due, those of earlier processes first, until this is cancelled."""
        try:
            while True:
                # Cleared before the look-up, or a job that ends meanwhile would wait for the next one.
                self._ended.clear()
                wait_s = _SWEEP_S
                if self._access.is_open or self._access.trouble:
                    try:
                        wait_s = await self._start_due()
                    except JobsUnavailableError as error:
                        log.warning("callbacks cannot be read", detail=str(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._ended.wait()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._client.close()

    async def _start_due(self) -> Seconds:
        """Start the attempts that are due; returns the time after which to look again."""
        free = MAX_AT_ONCE - len(self._tasks)
        if free:
            for due in await self._access.call(lambda store: store.callbacks.begin(free, self._schedule)):
                task = asyncio.create_task(self._attempt(due), context=Context())
                self._tasks.add(task)
                task.add_done_callback(self._on_done)
        self._pending = await self._access.call(lambda store: store.callbacks.count_pending())
        next_s = await self._access.call(lambda store: store.callbacks.next_due())
        return _SWEEP_S if next_s is None or len(self._tasks) >= MAX_AT_ONCE else min(_SWEEP_S, max(0.0, next_s))

    def _on_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._ended.set()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, JobsUnavailableError):
            log.warning("outcome of a callback is not stored; it is sent again", detail=str(error))
        elif error is not None:
            log.error("unexpected error in a callback", traceback=outline_traceback(error))

    async def _attempt(self, due: DueCallback) -> None:
        job_id = due.callback.job
        body = make_message(due)
        try:
            await self._client.post(self._find_address(due.callback.url), body.encode(), self._sign(job_id, body))
        except DeliveryError as error:
            await self._fail(due, error)
            return
        await self._access.call(lambda store: store.callbacks.set_delivered(job_id))
        self._log(due, "delivered")

    def _find_address(self, url: str) -> CallbackAddress:
        try:
            return self._policy.check(url)
        except CallbackRefusedError as exc:
            # The settings have changed since the job was submitted.
            raise DeliveryError(str(exc), final=True) from exc

    async def _fail(self, due: DueCallback, error: DeliveryError) -> None:
        job_id, reason = due.callback.job, str(error)
        wait_s = None if error.final else self._schedule.next_wait_s(due, error.retry_after_s)
        if wait_s is None:
            await self._access.call(lambda store: store.callbacks.set_failed(job_id, reason))
            self._log(due, "failed", reason)
            return
        await self._access.call(lambda store: store.callbacks.set_waiting(job_id, reason, wait_s))
        self._log(due, "retried", reason)

    def _log(self, due: DueCallback, outcome: str, reason: str = "") -> None:
        """Log an attempt under its host: paths and query strings may hold secrets."""
        self._metrics.count_callback(outcome)
        callback = due.callback
        write = log.info if outcome == "delivered" else log.warning
        host = urlsplit(callback.url).hostname
        write(
            "callback attempted", outcome=outcome, job=callback.job, host=host, attempt=callback.attempts, reason=reason
        )

    def _sign(self, job_id: str, body: str) -> dict[str, str]:
        """Headers of a message; several secrets give several signatures."""
        now = datetime.now(UTC)
        message_id = f"msg_{job_id}"
        return {
            "content-type": "application/json",
            "user-agent": f"can-ser/{version('can-ser')}",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(message_id, now, body) for signer in self._signers),
        }


def make_message(due: DueCallback) -> str:
    """The message, the same in every attempt: no words and no result, which the receiver requests with its key."""
    job_id, status = due.callback.job, due.job_status
    data = {"id": job_id, "status": status, "address": f"{due.callback.root_path}/jobs/{job_id}"}
    timestamp = datetime.fromtimestamp(due.job_ended, UTC).isoformat()
    return json.dumps({"type": f"job.{status}", "timestamp": timestamp, "data": data})


def _read_secrets(text: str) -> list[Webhook]:
    return [_read_secret(secret) for secret in text.split()]


def _read_secret(secret: str) -> Webhook:
    low, high = _SECRET_BYTES
    try:
        length = len(base64.b64decode(secret.removeprefix(_PREFIX), validate=True))
    except ValueError:
        length = 0
    if not (secret.startswith(_PREFIX) and low <= length <= high):
        raise SettingsError(
            f"CAN_JOBS__CALLBACK_SECRET is not {_PREFIX} followed by the Base64 form of {low} to {high} bytes; "
            "`can-ser key --callback` creates one"
        )
    return Webhook(secret)
