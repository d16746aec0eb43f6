// @huggingface/inference at the root, at a model's address and at its pipeline's.

import { InferenceClient } from "@huggingface/inference";

const [url, model, given] = process.argv.slice(2);
const inputs = JSON.parse(given);
const found = {};
for (const endpointUrl of [url, `${url}/models/${model}`, `${url}/models/${model}/pipeline/feature-extraction`]) {
  found[endpointUrl.slice(url.length)] = await new InferenceClient().featureExtraction({ endpointUrl, inputs });
}
const comparing = { source_sentence: inputs[0], sentences: inputs };
const cosines = await new InferenceClient().sentenceSimilarity({ endpointUrl: url, inputs: comparing });
console.log(JSON.stringify({ vectors: found, cosines }));
