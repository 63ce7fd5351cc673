import { BruteForceBackend, SearchIndex } from '../index.js';
import { describeBackend } from './backend-conformance.js';

describeBackend('BruteForceBackend.asBackend()', {
  make: async () => new BruteForceBackend().asBackend(),
  tolerance: 1e-6,
  recall: 1,
});

describeBackend('SearchIndex.asBackend() of texts', {
  make: async (dim) => new SearchIndex<string>({ dim, bits: 8, idType: 'string' }).asBackend(),
  tolerance: 0.02,
  recall: 0.95,
});

describeBackend('SearchIndex.asBackend() of numbers', {
  make: async (dim) => new SearchIndex({ dim, bits: 8 }).asBackend(),
  tolerance: 0.02,
  recall: 0.95,
  digits: true,
});

describeBackend('SearchIndex.asBackend() with originals', {
  make: async (dim) => new SearchIndex<string>({ dim, originals: 'f32', idType: 'string' }).asBackend(),
  tolerance: 1e-5,
  recall: 0.99,
});
