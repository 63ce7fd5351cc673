// A tool that lets a model search passages by meaning.
import { embed, embedMany, tool } from 'ai';
import { SearchIndex } from 'tinyquant';
import { z } from 'zod';

/**
 * Embeds passages and builds an index of them.
 *
 * @param model an embedding model of the AI SDK
 * @param passages texts by id
 */
export async function buildSearch(model, passages) {
  const { embeddings } = await embedMany({ model, values: [...passages.values()] });
  // What the AI SDK returns goes in as it is: an array of number arrays.
  const index = await SearchIndex.build(embeddings, { dim: embeddings[0].length, ids: passages.keys() });
  return { model, passages, index };
}

/** The tool for `generateText` and `streamText`. Cancelling these cancels the search. */
export function searchTool({ model, passages, index }) {
  return tool({
    description: 'Finds the passages of the manual that are closest in meaning to a question.',
    inputSchema: z.object({
      question: z.string().describe('what to look for, in plain words'),
      count: z.number().int().min(1).max(10).default(3).describe('how many passages'),
    }),
    execute: async ({ question, count }, { abortSignal }) => {
      const { embedding } = await embed({ model, value: question, abortSignal });
      const hits = await index.search(embedding, { k: count, ...(abortSignal && { signal: abortSignal }) });
      return Array.from(hits, ({ id, score }) => ({ id, score, text: passages.get(id) }));
    },
  });
}
