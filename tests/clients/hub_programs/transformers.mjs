// Loads a model from a hub by transformers.js and prints what it gives as JSON.
import { AutoTokenizer, env, pipeline } from "@huggingface/transformers";

const [name, text, cacheDir] = process.argv.slice(2);
Object.assign(env, { remoteHost: process.env.HF_ENDPOINT, cacheDir, allowLocalModels: false });

const tokenizer = await AutoTokenizer.from_pretrained(name);
const extract = await pipeline("feature-extraction", name, { dtype: "fp32" });
const vectors = await extract(text);
console.log(JSON.stringify({ ids: tokenizer.encode(text), vectors: vectors.tolist()[0] }));
process.exit(0);
