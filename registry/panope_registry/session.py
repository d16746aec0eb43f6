"""One opened registry: its database, its store, and all that stands on the two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine

from panope_backends.errors import PanopeError, PreconditionError
from panope_registry.access.audit import AuditLog
from panope_registry.access.budgets import Budgets
from panope_registry.access.keys import ApiKeys
from panope_registry.access.model_limits import ModelLimits
from panope_registry.events import EventSink, no_events
from panope_registry.inspect.grants import NO_GRANTS, Grants
from panope_registry.jobs import Jobs
from panope_registry.models.aliases import Aliases
from panope_registry.models.published_files import PublishedFiles
from panope_registry.registry import Registry
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.space import StoreSpace
from panope_registry.retention.types import Quota
from panope_registry.serving_records.cache_flushes import CacheFlushes
from panope_registry.serving_records.inference_log import InferenceLog
from panope_registry.serving_records.instances import Instances
from panope_registry.serving_records.profiles import Profiles
from panope_registry.serving_records.route_statistics import RouteStatistics
from panope_registry.serving_records.usage import UsageLedger
from panope_registry.store.files import make_private
from panope_registry.store.store import Store, VerifyPolicy
from panope_registry.tables.database import Database, open_engine, sqlite_file
from panope_registry.tables.migrate import migrate

WHOLE_DISK = Quota(free_floor_bytes=0)


@dataclass(frozen=True)
class RegistrySession:
    """What a process opens once and closes at its end. Every part is safe for use by several threads.

    Attributes:
        database: its connections are shared by all other parts.
        store: the files of models on this machine's disk.
        retention: what of them must stay, and what may go.
        space: sees to it that what is to come fits.
        registry: the models.
        jobs: the long work on them.
        aliases: the names that point to them.
        routes: what calls of aliases with several targets were observed to take.
        profiles: what they were measured to do.
        instances: the worker processes of all servers on this database.
        inference_log: a sample of the calls that servers answered.
        usage: what callers have used, by the hour.
        cache_flushes: how often servers were told to forget kept answers.
        published_files: what other programs may fetch by the name of a model.
        keys: the API keys of callers.
        model_limits: what all callers of a model share.
        budgets: what servers may hand out of rates and quotas.
        audit: what was done, and by whom.
    """

    database: Database
    store: Store
    retention: RetentionManager
    space: StoreSpace
    registry: Registry
    jobs: Jobs
    aliases: Aliases
    routes: RouteStatistics
    profiles: Profiles
    instances: Instances
    inference_log: InferenceLog
    usage: UsageLedger
    cache_flushes: CacheFlushes
    published_files: PublishedFiles
    keys: ApiKeys
    model_limits: ModelLimits
    budgets: Budgets
    audit: AuditLog

    @classmethod
    def open(
        cls,
        database_url: str | Path,
        home: Path,
        *,
        verify: VerifyPolicy = VerifyPolicy.CHANGED,
        quota: Quota = WHOLE_DISK,
        grants: Grants = NO_GRANTS,
        emit: EventSink = no_events,
        shared_store_id: str = "",
    ) -> Self:
        """Opens a registry; makes its folders (readable by this user alone) and its tables if they are missing.

        Args:
            database_url: `sqlite:///FILE`, `postgresql://…`, or the path of SQLite's file.
            home: the folder that holds `store/`.
            verify: when files are hashed again before they are used.
            quota: how much the store may take.
            grants: what an admin lets single models do.
            emit: called when a model is let in by a grant (`grant_used`).
            shared_store_id: `RemoteLocation.id` of the shared store; empty when there is none.

        Raises:
            InvalidInputError: the URL is of no known database.
            PreconditionError: a newer Panope made the database, or a folder cannot be written.
            AvailabilityError: the database does not answer.
        """
        engine = open_engine(database_url)
        try:
            store = _prepare(engine, home)
        except PanopeError:
            engine.dispose()
            raise
        database = Database(engine)
        retention = RetentionManager(database, store, quota=quota)
        space = StoreSpace(retention, store)
        return cls(
            database=database,
            store=store,
            retention=retention,
            space=space,
            registry=Registry(
                database, store, space, verify=verify, grants=grants, emit=emit, shared_store_id=shared_store_id
            ),
            jobs=Jobs(database),
            aliases=Aliases(database),
            routes=RouteStatistics(database),
            profiles=Profiles(database),
            instances=Instances(database),
            inference_log=InferenceLog(database),
            usage=UsageLedger(database),
            cache_flushes=CacheFlushes(database),
            published_files=PublishedFiles(database, store, verify),
            keys=ApiKeys(database),
            model_limits=ModelLimits(database),
            budgets=Budgets(database),
            audit=AuditLog(database),
        )

    def close(self) -> None:
        """Closes the database's connections; no part can be used any more."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _prepare(engine: Engine, home: Path) -> Store:
    """The store, when the folders and the tables are there."""
    file = sqlite_file(engine)
    try:
        make_private(home)
        if file:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = Store(home / "store")
        migrate(engine)
        if file and file.is_relative_to(home):
            file.chmod(0o600)
    except OSError as error:  # whatever it is, the folders cannot be used
        raise PreconditionError("the home folder cannot be written", reason="home_not_writable") from error
    return store
