"""Files of callers' jobs: what they take and what they make, kept for a while, within limits."""

from panope_registry.job_files.files import JobFile, JobFiles, JobFilesPolicy, files_expired
from panope_registry.job_files.writer import FileWriter

__all__ = ["FileWriter", "JobFile", "JobFiles", "JobFilesPolicy", "files_expired"]
