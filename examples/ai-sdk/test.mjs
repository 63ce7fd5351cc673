// Runs the tool with models that answer from here: no network, no keys.
import assert from 'node:assert/strict';
import { generateText, stepCountIs } from 'ai';
import { MockEmbeddingModelV3, MockLanguageModelV3 } from 'ai/test';
import { buildSearch, searchTool } from './search-tool.mjs';

const PASSAGES = new Map([
  ['battery', 'The battery charges in two hours and lasts a day.'],
  ['strap', 'The strap opens with the button on the left.'],
  ['water', 'The watch is tight under water, down to fifty metres.'],
  ['alarm', 'Turn the wheel to set the alarm.'],
]);

/** Counts of the words' beginnings, hashed to 128 places: enough to tell these passages apart. */
function toyEmbedding(text) {
  const vector = new Array(128).fill(0);
  for (const word of text.toLowerCase().match(/\w{4,}/g) ?? []) {
    let hash = 0;
    for (const letter of word.slice(0, 4)) hash = (hash * 31 + letter.charCodeAt(0)) % 8191;
    vector[hash % 128] += 1;
  }
  return vector;
}

const embeddingModel = new MockEmbeddingModelV3({
  maxEmbeddingsPerCall: 100,
  doEmbed: async ({ values }) => ({ embeddings: values.map(toyEmbedding), warnings: [] }),
});

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
};
const finish = (unified) => ({ finishReason: { unified, raw: unified }, usage, warnings: [] });

/** Asks for a search, then repeats the best passage that the tool returned. */
const languageModel = new MockLanguageModelV3({
  doGenerate: async ({ prompt }) => {
    const answer = prompt.find(({ role }) => role === 'tool')?.content[0];
    if (answer === undefined) {
      const input = JSON.stringify({ question: 'How long does the battery last?', count: 2 });
      const call = { type: 'tool-call', toolCallId: 'call-1', toolName: 'search', input };
      return { content: [call], ...finish('tool-calls') };
    }
    return { content: [{ type: 'text', text: answer.output.value[0].text }], ...finish('stop') };
  },
});

const search = await buildSearch(embeddingModel, PASSAGES);
const { text, steps } = await generateText({
  model: languageModel,
  tools: { search: searchTool(search) },
  prompt: 'How long does the battery of my watch last?',
  stopWhen: stepCountIs(3),
});

assert.equal(text, PASSAGES.get('battery'));
const [found] = steps.flatMap(({ toolResults }) => toolResults);
assert.equal(found.toolName, 'search');
assert.equal(found.output.length, 2);
assert.deepEqual(found.output[0], { id: 'battery', score: found.output[0].score, text });
assert.ok(found.output[0].score > found.output[1].score);

// A call that is cancelled does not search.
const { execute } = searchTool(search);
const cancelled = execute({ question: 'battery', count: 1 }, { abortSignal: AbortSignal.abort(new Error('enough')) });
await assert.rejects(cancelled, /enough/);

search.index.close();
console.log(`the tool found ${found.output.map(({ id }) => id).join(', ')}; the model answered: ${text}`);
