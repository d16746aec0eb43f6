"""Settings: one `panope.toml`, overridden by `PANOPE_…` variables, overridden by command-line flags.

A setting `http_port` is the variable `PANOPE_HTTP_PORT` and the flag `--http-port`; a setting of a section, such as
`limits.max_items`, is `PANOPE_LIMITS_MAX_ITEMS`. An unknown key is an error that names the nearest known one.
docs/configuration.md is generated from this package.
"""

from panope_server.config.loading import load_settings
from panope_server.config.sections.access import Grants
from panope_server.config.sections.generation import Generation
from panope_server.config.sections.limits import Limits
from panope_server.config.sections.media import MediaLimits
from panope_server.config.sections.media_urls import MediaUrlSettings
from panope_server.config.sections.openai import OpenAiSettings
from panope_server.config.sections.records import (
    GenerationJobSettings,
    InferenceLogSettings,
    JobSettings,
    UsageSettings,
)
from panope_server.config.sections.remote import RemoteSettings
from panope_server.config.sections.response_cache import ResponseCacheSettings
from panope_server.config.sections.tls import TlsSettings
from panope_server.config.sections.workers import Workers
from panope_server.config.settings import Setting, Settings, settings_of
from panope_server.config.settings_errors import SettingsError

__all__ = [
    "Generation",
    "GenerationJobSettings",
    "Grants",
    "InferenceLogSettings",
    "JobSettings",
    "Limits",
    "MediaLimits",
    "MediaUrlSettings",
    "OpenAiSettings",
    "RemoteSettings",
    "ResponseCacheSettings",
    "Setting",
    "Settings",
    "SettingsError",
    "TlsSettings",
    "UsageSettings",
    "Workers",
    "load_settings",
    "settings_of",
]
