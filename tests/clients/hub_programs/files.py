"""Asks a hub everything that huggingface_hub can ask of a model, in the way of every version since 0.20."""

import json
import sys
from pathlib import Path

import huggingface_hub
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.utils import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

name, other = sys.argv[1:]
api = HfApi()


def raised(function, *given, **named):
    """The name of the error that a call ends with; empty for none."""
    try:
        function(*given, **named)
    except (EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        return type(error).__name__.replace("Remote", "").replace("RepoNotFound", "RepositoryNotFound")
    return ""


def commits():
    return [commit.commit_id for commit in api.list_repo_commits(name)]


info = api.model_info(name, files_metadata=True)
folder = Path(snapshot_download(name))
told = {
    "version": huggingface_hub.__version__,
    "files": sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()),
    "listed": sorted(api.list_repo_files(name)),
    "siblings": sorted(file.rfilename for file in info.siblings),
    "weights": [file.size for file in info.siblings if file.rfilename == "model.safetensors"],
    "sha256": [file.lfs["sha256"] for file in info.siblings if file.rfilename == "model.safetensors"],
    "counts": [info.downloads, info.likes],
    "tags": info.tags,
    "has dates": [info.created_at is not None, info.last_modified is not None],
    "offline": hf_hub_download(name, "config.json", local_files_only=True) == str(folder / "config.json"),
    "head": hf_hub_download(name, "config.json", revision="HEAD").endswith("config.json"),
    "tree": [[entry.path, type(entry).__name__] for entry in api.list_repo_tree(name, recursive=True)],
    "below": [entry.path for entry in api.list_repo_tree(name, "1_Pooling")],
    "paths": [entry.path for entry in api.get_paths_info(name, ["1_Pooling", "config.json", "none"])],
    "refs": [[ref.name, ref.target_commit == info.sha] for ref in api.list_repo_refs(name).branches],
    "commits": commits() == [info.sha],
    "found": [model.id for model in api.list_models(search="minilm", filter="bert", sort="downloads", limit=5)],
    "of author": [model.id for model in api.list_models(author=other.split("/")[0], full=True)],
    "exists": [api.file_exists(name, "config.json"), api.file_exists(name, "none"), api.repo_exists("gpt2")],
    "errors": [
        raised(hf_hub_download, name, "none.json"),
        raised(hf_hub_download, name, "config.json", revision="none"),
        raised(hf_hub_download, "gpt2", "config.json"),
        raised(api.model_info, "acme/none"),
        raised(api.dataset_info, "acme/none"),
        raised(api.space_info, "acme/none"),
        raised(hf_hub_download, "squad", "a.json", repo_type="dataset"),
        raised(snapshot_download, "acme/none"),
    ],
}
json.dump(told, sys.stdout)
