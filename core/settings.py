"""Every setting of the product: an environment variable `ROP_…`, a unit in its name or text, and a reason.

Settings are read once at the edges (app factory, worker start, command line) and handed down.
"""

from __future__ import annotations

import ipaddress
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
MIB = 1024 * 1024


class Settings(BaseSettings):
    """All limits and choices. `rop settings` prints them with their present values."""

    model_config = SettingsConfigDict(env_prefix="ROP_", extra="ignore", frozen=True)

    home: Path = Field(Path("var"), description="Folder for the database, recordings, warehouse and logs of this machine.")
    database_url: str | None = Field(None, description="SQLAlchemy URL of the operational database; SQLite in ROP_HOME when empty.")
    log_json: bool = Field(True, description="Log lines as JSON; off gives coloured text for a terminal.")
    log_level: str = Field("INFO", description="Lowest level that is logged.")
    secret: SecretStr | None = Field(
        None,
        description="Server secret that keys the hashes of API keys and seals webhook secrets; a 0600 file in ROP_HOME when empty. The "
        "same on every host. During a change the new one and, after a comma, the former one.",
    )

    # Ingress
    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, description="Port of the API; 0 takes any free port.")
    public_url: str | None = Field(None, description="Base URL people reach the API by, for links in Prefect and webhooks.")
    call_ready_auth: Literal["required", "readiness", "open"] = Field(
        "readiness", description="What `call-ready` answers without a key (C2)."
    )
    probe: Literal["on", "off"] = Field("on", description="Look at the first bytes of audio_url before accepting a call (C4).")
    probe_seconds: float = Field(3.0, description="Whole budget of the probe in seconds: a CRM waits for our answer meanwhile.")
    probe_bytes: int = Field(4096, description="Bytes that the probe reads: enough for every magic number behind an ID3 header start.")
    rate_limit: int = Field(60, description="Requests per minute and key; polling `call-ready` has a bucket of its own of this size (C7).")
    max_body_bytes: int = Field(4 * MIB, description="Largest request body in bytes: an office sync of 10 000 managers is 1.5 MiB.")

    # Outbound requests
    allowed_networks: Annotated[tuple[IPNetwork, ...], NoDecode] = Field(
        (),
        description="Private networks outbound requests may reach, comma separated CIDR; loopback and link-local only by an entry "
        "that lies wholly inside them, such as 127.0.0.1/32 (C42).",
    )
    ca_file: Path | None = Field(None, description="PEM file of further certificate authorities, such as the company's own.")
    connect_seconds: float = Field(5.0, description="Time to connect to any outside address, seconds.")
    webhook_seconds: float = Field(15.0, description="Whole webhook attempt, seconds (C34).")
    webhook_read_bytes: int = Field(16 * 1024, description="Bytes of a webhook answer that are read (C34).")
    webhook_keep_bytes: int = Field(2048, description="Bytes of a webhook answer that are kept in the log (C34).")
    webhook_strict: bool = Field(False, description="Send the seed's fields alone (C30).")
    webhook_threads: int = Field(32, description="Webhooks in flight at once in one process; a thread waits for each.")
    webhook_per_address: int = Field(4, description="Webhooks in flight at once to one address; one while the address fails.")
    webhook_retry_after_seconds: float = Field(36000.0, description="Longest Retry-After that is honoured: the schedule's longest step.")
    webhook_give_up_seconds: float = Field(432000.0, description="An address that only fails for this long, five days, is disabled.")
    webhook_secret_overlap_seconds: float = Field(86400.0, description="An old secret signs beside the new one for this long.")
    webhook_lease_seconds: float = Field(60.0, description="A claimed delivery is free again after this long: four attempts' worth.")
    webhook_run_seconds: float = Field(
        45.0, description="A run of deliveries takes nothing new after this long: hanging addresses must not keep the house worker."
    )

    # Recordings
    storage_url: str | None = Field(None, description="fsspec URL of the recordings; a folder in ROP_HOME when empty.")
    max_audio_bytes: int = Field(100 * MIB, description="Largest recording in bytes, inclusive (C13).")
    max_audio_seconds: float = Field(2700.0, description="Longest recording in seconds, inclusive (C13).")
    download_seconds: float = Field(600.0, description="Whole download with its resumes, seconds.")
    download_read_seconds: float = Field(30.0, description="Longest silence of a file server, seconds.")
    download_min_bytes_per_second: float = Field(1024.0, description="Slower servers are dropped after the grace.")
    download_grace_seconds: float = Field(30.0, description="A slow start is forgiven for this long, seconds; then the average counts.")
    download_resumes: int = Field(20, description="Connections one download may use; each must bring new bytes.")
    inspect_seconds: float = Field(30.0, description="Longest look into a recording, seconds: 100 MiB of 8 kbit/s speech takes two.")
    inspect_cpu_seconds: int = Field(20, description="Processor time of that look, seconds.")
    inspect_memory_bytes: int = Field(1024 * MIB, description="Address space of that look; the libraries alone map 300 MiB.")
    keep_audio_days: int = Field(0, ge=0, description="Recordings are deleted this many days after their call was received; 0 keeps them.")
    keep_text_days: int = Field(
        0,
        ge=0,
        description="Transcripts, quotes, comments, table values and webhook bodies are deleted this many days after their call was "
        "received; scores stay. 0 keeps them (C45).",
    )
    result_keep_seconds: float = Field(
        7 * 86400.0, description="Finished steps, with quotes, that a worker keeps for a rerun of a failed call; older ones are deleted."
    )
    leftover_seconds: float = Field(
        86400.0, description="Files of no call are deleted after this long, a day: no download or upload that is still going on is so old."
    )
    max_redirects: int = Field(3, description="Redirects followed for audio, each vetted anew (C42).")

    # Transcription
    asr_engine: Literal["whisper", "openai"] = Field(
        "whisper", description="Who transcribes: faster-whisper in the worker, or a server at ROP_ASR_URL."
    )
    asr_model: str = Field("base", description="Whisper model: base comes with the packages, others from a folder or the hub.")
    asr_model_dir: Path | None = Field(None, description="Folder with converted weights, before any other source.")
    asr_device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the model runs.")
    asr_compute_type: str = Field("auto", description="Number format of the weights: int8 on CPU, float16 on CUDA when auto.")
    asr_cpu_threads: int = Field(1, description="Threads of one transcription: two are slower than one on two cores (D6).")
    asr_parallel: int = Field(2, description="Calls that one worker recognises at the same time: one a core (D6).")
    asr_beam: int = Field(5, description="Beam size of the decoder.")
    asr_batch: int | None = Field(None, description="Clips decoded at once; empty takes 4 on CPU, where more costs memory, 16 on CUDA.")
    asr_language: str = Field("ru", description="Language when neither the call nor the key names one; `auto` detects.")
    asr_hotwords: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Names that are spoken in calls (company, products), comma separated; they come before what is known of the call."
    )
    asr_hotword_chars: int = Field(200, description="Characters of likely words given to the recogniser: they take room from the answer.")
    asr_url: str | None = Field(None, description="Base URL of an OpenAI-compatible transcription server.")
    asr_api_key: SecretStr | None = Field(None, description="Key of that server.")
    asr_url_model: str = Field("whisper-1", description="Model name sent to that server.")
    asr_url_seconds: float = Field(300.0, description="Whole request to that server, seconds: a clip of five minutes on a slow one.")
    asr_url_bytes: int = Field(24 * MIB, description="Largest file sent to that server, bytes: OpenAI refuses more than 25 MiB.")
    asr_url_hotwords: str = Field("", description="Form field in which that server takes names, such as `hotwords`; empty sends none.")
    asr_url_clip_seconds: float = Field(300.0, description="Longest clip sent to that server, seconds.")

    # Analysis
    analyst_engine: Literal["rules", "openai"] = Field(
        "rules", description="Who scores: the embedded engine or an OpenAI-compatible server."
    )
    llm_url: str | None = Field(
        None, description="Base URL of an OpenAI-compatible chat server, private networks included; /v1 is added where it has no path."
    )
    llm_api_key: SecretStr | None = Field(None, description="Key of that server.")
    llm_model: str = Field("gpt-4o-mini", description="Model name sent to that server.")
    llm_seconds: float = Field(90.0, description="Whole LLM request with its answer, seconds.")
    llm_input_tokens: int = Field(
        32_000, description="Tokens of one prompt by a cautious guess; longer conversations go in overlapping parts. 45 minutes fit in one."
    )
    llm_answer_bytes: int = Field(512 * 1024, description="Largest answer of the LLM in bytes: a long checklist takes 60 KiB.")
    llm_redact: bool = Field(
        True,
        description="Hide phones, cards, passports, SNILS, INN and e-mails from the LLM (C45); off is for a server of your own alone.",
    )
    llm_structured: Literal["auto", "json_schema", "json_object", "none"] = Field(
        "auto", description="How JSON is asked for; auto steps down once per server."
    )
    llm_temperature: float | None = Field(0.0, description="Sampling temperature; empty leaves it out for reasoning models.")
    llm_per_minute: int | None = Field(
        None, description="Requests to that server a minute by all workers together, repairs and retries included; empty: no limit."
    )
    time_zone: str = Field("Europe/Moscow", description="Zone in which spoken dates such as «завтра» are understood.")

    # Orchestration
    prefect_api_url: str = Field("http://127.0.0.1:4200/api", description="Prefect API that starts the flows.")
    prefect_auth: SecretStr | None = Field(None, description="user:password of the Prefect API.")
    prefect_ui_url: str | None = Field(None, description="Base URL of the Prefect UI for links; derived from the API URL when empty.")
    prefect_seconds: float = Field(5.0, description="One request to Prefect from the ingress, seconds: the call is committed already.")
    work_pool: str = Field("calls", description="Work pool of the call flows.")
    house_pool: str = Field("house", description="Work pool of the housekeeping flows, so that long calls never delay deliveries.")
    live_queue: str = Field("live", description="Work queue of calls as they come.")
    bulk_queue: str = Field("bulk", description="Work queue of back-fills: served when no live call waits.")
    trial_queue: str = Field("trials", description="Work queue of trials of definitions, among the housekeeping flows.")
    trials_at_once: int = Field(2, ge=1, description="Trials that go on together; others wait, so that recovery and deliveries never do.")
    worker_limit: int = Field(4, description="Calls that one worker holds: while some are recognised, others download and are judged.")
    worker_grace_seconds: float = Field(20.0, description="Time for running calls to end on SIGTERM before they are queued again.")
    lease_seconds: float = Field(120.0, description="A call whose worker gave no sign of life for this long is taken over.")
    wait_out_seconds: float = Field(
        21600.0,
        ge=0,
        le=30 * 86400,
        description="A call that was stopped by what may pass, such as a server that is down, is tried again for so long before it fails; "
        "0 fails it at once.",
    )
    postpone_seconds: float = Field(
        60.0, gt=0, le=900, description="The first pause of such a call; each is twice the former, up to 15 minutes."
    )
    max_attempts: int = Field(3, description="Runs of one call that broke off before it fails for good: a poison call must not loop.")
    pending_seconds: float = Field(60.0, description="A run that began and did not take its call within this long is scheduled again.")
    late_seconds: float = Field(900.0, description="A run that is this late and waits in no queue of ours is replaced by a new one.")
    cancel_seconds: float = Field(30.0, description="A run in Cancelling for this long has no worker any more and is ended from outside.")
    bulk_ahead: int = Field(200, description="Back-fill calls that wait in Prefect at once; the rest wait in the database, at no cost.")
    retry_after_seconds: float = Field(120.0, description="Longest Retry-After that a step waits out before its next try.")
    transcribe_seconds: float = Field(10800.0, description="One transcription: 45 minutes, two channels, slower than real time.")
    hang_seconds: float = Field(600.0, description="A step this far over its time hears nothing any more: its worker starts anew.")
    analyse_seconds: float = Field(1800.0, description="All checklists and tables of one call; no step begins a try after it.")
    queue_alert_seconds: float = Field(900.0, description="A live call that waits for longer than this raises an alert.")
    alert_url: SecretStr | None = Field(
        None, description='Address that takes alerts as JSON {"text"}, such as a chat\'s incoming webhook; empty sends none.'
    )
    run_keep_seconds: float = Field(2592000.0, description="Flow runs stay in Prefect for a month; the calls themselves stay here.")
    event_keep_seconds: float = Field(86400.0, description="Prefect's events, the bulk of its database, are kept for a day.")
    house_run_keep_seconds: float = Field(86400.0, description="Housekeeping runs that ended well stay in Prefect for a day.")

    # Pages
    session_seconds: float = Field(604800.0, description="A signed-in browser is asked again after this long, seconds: a week.")
    invite_seconds: float = Field(259200.0, description="A one-time link for a new person lives this long, seconds: over a weekend.")
    sign_in_limit: int = Field(5, description="Sign-ins a minute with one login from one address; four times that from an address.")
    export_rows: int = Field(20_000, description="Calls in one CSV or XLSX file: about five seconds of work; analysts have the warehouse.")
    trial_calls: int = Field(50, description="Stored calls one trial of a definition may judge: about a minute of the embedded engine.")

    # Warehouse
    load_batch_calls: int = Field(1000, description="Calls loaded in one warehouse transaction.")
    load_lease_seconds: float = Field(300.0, description="Lease of the one loader.")
    outbox_keep_seconds: float = Field(604800.0, description="Loaded rows of the load outbox are kept for a week, for questions.")
    publish_share: float = Field(
        0.1, description="Largest share of time spent copying the warehouse for readers: big files go out less often."
    )
    quality_days: int = Field(35, description="Days back from today that the data quality checks look at: five weeks show a weekly rhythm.")
    quality_seconds: float = Field(900.0, description="Longest run of the data quality checks, seconds.")
    lake_catalog: SecretStr | None = Field(
        None, description="PostgreSQL URL of the DuckLake catalog for a warehouse of many hosts; a file in ROP_HOME when empty."
    )
    lake_schema: str = Field("lake", description="Schema of the catalog in that database.")
    lake_data: str | None = Field(None, description="Folder or s3:// address of the lake's Parquet files; a folder in ROP_HOME when empty.")
    lake_s3_key: SecretStr | None = Field(None, description="Access key id of the S3 storage of the lake.")
    lake_s3_secret: SecretStr | None = Field(None, description="Secret access key of that storage.")
    lake_s3_endpoint: str | None = Field(None, description="host:port of that storage when it is not Amazon's.")
    lake_s3_region: str = Field("us-east-1", description="Region of that storage.")
    lake_s3_tls: bool = Field(True, description="Whether that storage is reached by https.")
    lake_keep_seconds: float = Field(604800.0, description="Old snapshots of the lake are kept for a week: longer than any report runs.")

    @field_validator("llm_temperature", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("allowed_networks", "asr_hotwords", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @cached_property
    def root(self) -> Path:
        """`home` as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def db_url(self) -> str:
        """The operational database: `database_url`, or SQLite in `home`."""
        return self.database_url or f"sqlite:///{self.root / 'rop.sqlite'}"

    @property
    def audio_url(self) -> str:
        """The fsspec URL or local folder of the recordings."""
        return self.storage_url or str(self.root / "audio")

    @property
    def warehouse_dir(self) -> Path:
        """Folder of the private warehouse and of the published `reports.duckdb`."""
        return self.root / "warehouse"

    @property
    def model_cache(self) -> Path:
        """Folder of joined and verified model weights."""
        return self.root / "models"

    @property
    def ui_url(self) -> str:
        """Base URL of the Prefect UI."""
        return self.prefect_ui_url or self.prefect_api_url.removesuffix("/api")


def load(home: Path | None = None, **overrides: object) -> Settings:
    """Settings from the environment; `home` (a `--home` option) wins over `ROP_HOME`."""
    values = {"home": home, **overrides} if home is not None else overrides
    return Settings(**values)  # type: ignore[arg-type]
