// Embeds, generates and fails by @connectrpc/connect-web, the client of browsers, and prints what it got as JSON.
//
//     node grpc_web.mjs ADDRESS DESCRIPTORS EMBEDDER GENERATOR

import { readFileSync } from "node:fs";
import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const [address, descriptors, embedder, generator] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const transport = createGrpcWebTransport({ baseUrl: address });
const embed = createClient(registry.getService("panope.v1.EmbedService"), transport);
const generate = createClient(registry.getService("panope.v1.GenerateService"), transport);

const headers = {};
const answer = await embed.embed({ model: embedder, texts: ["a", "b"] }, { onHeader: (h) => h.forEach((v, k) => (headers[k] = v)) });
const texts = [];
for await (const part of generate.streamGenerate({ request: { model: generator, prompts: ["once"] } })) {
  texts.push(part.deltas.map((delta) => delta.text).join(""));
}
let failure;
try {
  await embed.embed({ model: "acme/none", texts: ["a"] });
} catch (error) {
  failure = { code: error.code, message: error.rawMessage };
}
console.log(JSON.stringify({ count: answer.count, hasId: "x-request-id" in headers, texts, failure }));
