// Asks a hub what @huggingface/hub can ask of a model, and prints the answers as JSON.
import * as hub from "@huggingface/hub";

const [name, file] = process.argv.slice(2);
const hubUrl = process.env.HF_ENDPOINT;
const repo = { type: "model", name };

async function all(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}

async function refused(work) {
  try {
    await work();
    return 0;
  } catch (error) {
    return error.statusCode ?? String(error);
  }
}

const info = await hub.modelInfo({ name, hubUrl, additionalFields: ["tags", "sha", "library_name"] });
const content = await hub.downloadFile({ repo, path: file, hubUrl });
const raw = await hub.downloadFile({ repo, path: file, hubUrl, raw: true });
const told = await hub.fileDownloadInfo({ repo, path: file, hubUrl });
const part = await hub.downloadFile({ repo, path: file, hubUrl });
console.log(
  JSON.stringify({
    models: (await all(hub.listModels({ hubUrl, search: { owner: name.split("/")[0] } }))).map((model) => model.name),
    searched: (await all(hub.listModels({ hubUrl, search: { query: "MINILM", tags: ["bert"] }, limit: 3 }))).map(
      (model) => model.name,
    ),
    info: [info.name, info.downloads, info.likes, info.private, info.tags, info.library_name, info.task ?? null],
    files: (await all(hub.listFiles({ repo, hubUrl, recursive: true }))).map((entry) => [entry.type, entry.path]),
    folder: (await all(hub.listFiles({ repo, hubUrl, path: "1_Pooling", expand: true }))).map((entry) => entry.path),
    paths: (await hub.pathsInfo({ repo, hubUrl, paths: ["1_Pooling", file, "none"], expand: true })).map((entry) => [
      entry.type,
      entry.path,
      entry.lastCommit.id === info.sha,
    ]),
    commits: (await all(hub.listCommits({ repo, hubUrl }))).map((commit) => commit.oid === info.sha),
    content: await content.text(),
    raw: await raw.text(),
    size: [told.size, part.size],
    slice: await part.slice(2, 12).text(),
    exists: [await hub.fileExists({ repo, hubUrl, path: file }), await hub.fileExists({ repo, hubUrl, path: "none" })],
    refused: [
      await refused(() => hub.modelInfo({ name: "gpt2", hubUrl })),
      await refused(() => hub.datasetInfo({ name: "acme/none", hubUrl })),
      await refused(() => all(hub.listFiles({ repo, hubUrl, revision: "none" }))),
      await refused(() => hub.checkRepoAccess({ repo: { type: "model", name: "acme/none" }, hubUrl })),
    ],
  }),
);
